"""The outbox is sent: nothing lost, nothing twice that could be known, no address in sight."""

import logging
import multiprocessing
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import Notification, NotificationDelivery
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.trading.account import AccountState, Outcome
from falcon_pipelines.trading.ledger import Books
from falcon_pipelines.trading.live import outbox
from falcon_pipelines.trading.live.lock import SingleTrader
from falcon_pipelines.trading.live.notices import tell
from falcon_pipelines.trading.live.outbox import (
    InvalidNotifyUrl,
    Receiver,
    receivers_of,
    send_due,
    send_in_place_of_trader,
)
from falcon_pipelines.trading.orders import Rejection
from tests.trading.live.bars import minute
from tests.trading.live.books import told
from tests.trading.live.receiver import receiving


def put(engine: Engine, *titles: str) -> None:
    with transaction(engine) as session:
        for title in titles:
            notify(session, f"test:{title}", "fill", title, f"body of {title}")


def rows(engine: Engine) -> dict[str, Notification]:
    with transaction(engine) as session:
        found = {row.title: row for row in session.scalars(select(Notification))}
        session.expunge_all()
        return found


def now(seconds: float = 0) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_messages_go_out_once_each_in_order(engine: Engine) -> None:
    with receiving() as receiver:
        to = receivers_of(SecretStr(receiver.url))
        put(engine, "one", "two")
        put(engine, "one")
        assert send_due(engine, to, now()) == 2
        assert send_due(engine, to, now()) == 0
        assert receiver.messages == [("one", "body of one"), ("two", "body of two")]


def test_a_refusal_is_tried_again_after_a_pause_that_grows(engine: Engine) -> None:
    with receiving() as receiver:
        to = receivers_of(SecretStr(receiver.url))
        receiver.status = 503
        put(engine, "one")
        assert send_due(engine, to, now()) == 0
        assert send_due(engine, to, now(5)) == 0
        assert rows(engine)["one"].attempts == 1
        assert send_due(engine, to, now(16)) == 0
        message = rows(engine)["one"]
        assert message.attempts == 2
        assert message.next_attempt_at is not None
        assert message.next_attempt_at > now(40)
        assert message.problem == f"not taken by {to[0].name}"
        receiver.status = 200
        assert send_due(engine, to, now(60)) == 1
        assert receiver.messages == [("one", "body of one")]  # a refused attempt is known not to have arrived
        assert rows(engine)["one"].problem is None


def test_one_receiver_that_fails_does_not_double_the_other(engine: Engine) -> None:
    with receiving() as good, receiving() as bad:
        to = receivers_of(SecretStr(f"{good.url} {bad.url}"))
        bad.status = 500
        put(engine, "one")
        assert send_due(engine, to, now()) == 0
        bad.status = 200
        assert send_due(engine, to, now(20)) == 1
        assert len(good.messages) == len(bad.messages) == 1


def die_while_sending(url: str, address: str, *, after: bool) -> None:
    """Send, and be killed just before the receiver is asked, or just after it took the message."""
    engine = database_engine(url)
    (real,) = receivers_of(SecretStr(address))

    def send(title: str, body: str) -> bool:
        if after:
            assert real.send(title, body)
        os.kill(os.getpid(), signal.SIGKILL)
        return True

    send_due(engine, [Receiver(real.name, send)], datetime.now(UTC))


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_while_sending_loses_nothing_and_a_possible_repeat_says_so(
    engine: Engine, database_url: str, after: bool
) -> None:
    with receiving() as receiver:
        put(engine, "one")
        number = rows(engine)["one"].id
        engine.dispose()
        child = multiprocessing.get_context("spawn").Process(
            target=die_while_sending, args=(database_url, receiver.url), kwargs={"after": after}
        )
        child.start()
        child.join(90)
        assert child.exitcode == -signal.SIGKILL
        to = receivers_of(SecretStr(receiver.url))
        assert send_due(engine, to, now(60)) == 1
        assert send_due(engine, to, now(600)) == 0
        repeat = ("one", f"body of one\n(#{number}, may be a repeat)")
        assert receiver.messages == ([("one", "body of one")] if after else []) + [repeat]


def test_no_address_is_logged_or_stored(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), receiving() as receiver:
        to = receivers_of(SecretStr(receiver.url))
        receiver.status = 403
        put(engine, "one")
        send_due(engine, to, now())
        with transaction(engine) as session:
            delivery = session.scalars(select(NotificationDelivery)).one()
            assert delivery.receiver.startswith("json ")
            assert "hunter2" not in delivery.receiver
        assert "hunter2" not in (rows(engine)["one"].problem or "")
    assert "hunter2" not in caplog.text
    with pytest.raises(InvalidNotifyUrl) as error:
        receivers_of(SecretStr("json://127.0.0.1 nonsense://hunter2"))
    assert "address 2" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_without_a_receiver_messages_wait_and_old_ones_are_no_news(engine: Engine) -> None:
    put(engine, "old")
    assert send_due(engine, (), now()) == 0
    with receiving() as receiver:
        to = receivers_of(SecretStr(receiver.url))
        assert send_due(engine, to, now(2 * 86_400)) == 0
        assert receiver.messages == []


def test_another_sends_only_while_no_trader_runs(engine: Engine) -> None:
    with receiving() as receiver:
        to = receivers_of(SecretStr(receiver.url))
        put(engine, "one")
        trader = SingleTrader(engine)
        assert trader.held()
        assert send_in_place_of_trader(engine, to, now()) == 0
        trader.release()
        assert send_in_place_of_trader(engine, to, now()) == 1
    assert outbox.pause_after(30) == timedelta(hours=1)


def test_a_refusal_of_one_order_is_told_once_whenever_it_is_met_again(engine: Engine) -> None:
    state = AccountState("candidates", books=Books())
    for number in range(2):
        again = Rejection("candidate:20261030:ABC:buy", f"{number} dollars are free", minute(number))
        with transaction(engine) as session:
            tell(session, state, Outcome(state, rejections=(again,)))
    assert told(engine, "reject") == ["Refused: candidate:20261030:ABC:buy"]
