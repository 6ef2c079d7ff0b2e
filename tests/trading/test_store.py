"""The stored account: one transaction for each bar, each bar once, the same books after any crash."""

import multiprocessing
import os
import signal
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, text

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.db import models
from falcon_pipelines.db.commands import request_command
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.moments import Moment, regular_moments
from falcon_pipelines.trading.orders import Bar, Dividend, OrderRequest, Protection, Split, usd
from falcon_pipelines.trading.reconciliation import broken_books, halt_broken, reconcile
from falcon_pipelines.trading.replay import bars_by_time, replay
from falcon_pipelines.trading.script import exact_ratio, parse_script
from falcon_pipelines.trading.store import (
    AccountExists,
    close_account,
    create_account,
    load_account,
    submit,
)
from falcon_pipelines.trading.writer import Trader
from tests.trading.panels import days, flat

OPENED = datetime.fromisoformat("2026-11-02T09:30-05:00")


@pytest.fixture
def engine(database_url: str) -> Any:
    made = database_engine(database_url)
    yield made
    made.dispose()


def opened(
    engine: Engine, cash: int = 10_000, rules: Rules | None = None, name: str = "paper", **more: Any
) -> int:
    with transaction(engine) as session:
        return create_account(session, name, Decimal(cash), OPENED, rules or Rules(), **more)


def buy(name: str = "in", day: int = 2, quantity: int = 100, **more: Any) -> OrderRequest:
    at = datetime.fromisoformat(f"2026-11-{day:02d}T00:00-05:00")
    return OrderRequest(name, at, more.pop("ticker", "X"), "buy", "market", quantity, **more)


def hand_in(engine: Engine, account: int, *orders: OrderRequest) -> int:
    with transaction(engine) as session:
        return submit(session, account, orders)


def work_through(engine: Engine, account: int, panel: Panel, actions: Any = ()) -> Trader:
    trader = Trader(engine, account)
    moments = regular_moments(panel)
    previous = datetime.min.replace(tzinfo=OPENED.tzinfo)
    for moment, bars in bars_by_time(panel, moments, panel.tickers):
        due = [action for action in actions if previous < action.at <= moment.starts]
        trader.work(moment, bars, due)
        previous = moment.starts
    return trader


def fills(engine: Engine) -> list[tuple[str, Decimal, Decimal]]:
    with transaction(engine) as session:
        query = select(models.Fill.order_id, models.Fill.quantity, models.Fill.price)
        return [
            tuple(row) for row in session.execute(query.order_by(models.Fill.filled_at, models.Fill.order_id))
        ]


def mark(engine: Engine) -> models.AccountMark:
    with transaction(engine) as session:
        row = session.scalars(
            select(models.AccountMark).order_by(models.AccountMark.session.desc()).limit(1)
        ).one()
        session.expunge(row)
        return row


def test_a_stored_account_makes_the_fills_of_the_replay(engine: Engine) -> None:
    bars = days([flat(80), flat(20), (20, 21, 17, 18), flat(18)])
    script = parse_script(
        {
            "cash": 10_000,
            "orders": [
                {
                    "id": "in",
                    "at": "2026-11-02",
                    "ticker": "X",
                    "side": "buy",
                    "quantity": 105,
                    "protect": {"stop": 72},
                }
            ],
            "actions": [
                {"at": "2026-11-03", "ticker": "X", "split": 4},
                {"at": "2026-11-04", "ticker": "X", "dividend": 0.1, "pay": "2026-11-05"},
            ],
        }
    )
    expected = replay(script, bars)
    account = opened(engine)
    hand_in(engine, account, buy(quantity=105, protect=Protection(stop=usd(72))))
    work_through(engine, account, bars, script.actions)
    assert fills(engine) == [(fill.order, fill.quantity, fill.price) for fill in expected.fills]
    newest = mark(engine)
    assert newest.equity == expected.state.equity == Decimal("9202")
    with transaction(engine) as session:
        assert load_account(session, account).state.books == expected.state.books
        assert broken_books(session) == {}


def test_a_restart_after_every_bar_changes_nothing(engine: Engine) -> None:
    bars = days(
        [
            (100, 104, 99, 103),
            (103, 120, 102, 119),
            (60, 62, 58, 61),
            (61, 61, 50, 52, 300),
            flat(53),
            flat(54),
        ]
    )
    protect = Protection(trail_pct=10, target_pct=50, max_days=4)
    actions = [
        Split(datetime.fromisoformat("2026-11-04T00:00-05:00"), "X", exact_ratio(2)),
        Dividend(datetime.fromisoformat("2026-11-04T00:00-05:00"), "X", usd(0.3), date(2026, 11, 6)),
    ]
    seen = []
    for name in ("straight", "restarted"):
        account = opened(engine, name=name)
        hand_in(engine, account, buy(f"{name}-in", quantity=50, protect=protect))
        if name == "straight":
            work_through(engine, account, bars, actions)
        else:
            for stop in range(1, len(bars) + 1):
                work_through(engine, account, bars.rows(0, stop), actions)
        with transaction(engine) as session:
            state = load_account(session, account).state
        lines = [(o.removeprefix(name), q, p) for o, q, p in fills(engine) if o.startswith(name)]
        seen.append((lines, state.books, state.prices, state.halts))
    assert len(seen[0][0]) > 2
    assert seen[0] == seen[1]


def test_fifty_submissions_of_one_id_from_five_processes_are_one_order(
    engine: Engine, database_url: str
) -> None:
    account = opened(engine)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_submit_often, args=(database_url, account)) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    work_through(engine, account, days([flat(50), flat(50)]))
    assert fills(engine) == [("in", Decimal(100), Decimal(50))]
    with transaction(engine) as session:
        assert session.scalar(select(func.count()).select_from(models.Order)) == 1


def _submit_often(url: str, account: int) -> None:
    engine = database_engine(url)
    for _ in range(10):
        hand_in(engine, account, buy())


def test_concurrent_buys_beyond_cash_are_refused(engine: Engine) -> None:
    account = opened(engine)
    for name in "abc":
        hand_in(engine, account, buy(name))
    work_through(engine, account, days([flat(50)]))
    assert [row[0] for row in fills(engine)] == ["a", "b"]
    assert mark(engine).cash == 0
    with transaction(engine) as session:
        refused = session.get_one(models.Order, "c")
        assert refused.status == "rejected"
        assert "not enough cash" in (refused.reason or "")


def test_a_bar_is_worked_through_once_even_by_two_traders(engine: Engine) -> None:
    account = opened(engine)
    hand_in(engine, account, buy())
    bars = days([flat(50), flat(51)])
    both = [Trader(engine, account), Trader(engine, account)]
    done = [
        [trader.work(moment, made) is not None for trader in both]
        for moment, made in bars_by_time(bars, regular_moments(bars), bars.tickers)
    ]
    assert done == [[True, False], [True, False]]
    assert len(fills(engine)) == 1


def test_live_bars_are_worked_through_once_even_by_two_traders(engine: Engine) -> None:
    account = opened(engine, live_sequence=0)
    hand_in(engine, account, buy())
    moment = Moment(OPENED, OPENED, OPENED.date())
    bars = {"X": Bar(*flat(50), 1e6)}
    both = [Trader(engine, account), Trader(engine, account)]
    assert [trader.work_live(moment, bars, 7, 7) is not None for trader in both] == [True, False]
    assert both[0].work_live(moment, bars, 7, 7) is None
    assert len(fills(engine)) == 1


def test_a_kill_inside_the_transaction_leaves_nothing_half_done(engine: Engine, database_url: str) -> None:
    account = opened(engine)
    hand_in(engine, account, buy(protect=Protection(stop=usd(45))))
    context = multiprocessing.get_context("fork")
    for write in range(1, 9):
        worker = context.Process(target=_die_at_write, args=(database_url, account, write))
        worker.start()
        worker.join(60)
        assert worker.exitcode == -signal.SIGKILL
        with transaction(engine) as session:
            assert broken_books(session) == {}
    work_through(engine, account, days([flat(50), (50, 50, 40, 41)]))
    assert fills(engine) == [("in", Decimal(100), Decimal(50)), ("in.stop", Decimal(100), Decimal(45))]
    assert mark(engine).cash == 9_500


def _die_at_write(url: str, account: int, write: int) -> None:
    """Work through both bars, killed at the given writing statement; a later bar's when the first is done."""
    from sqlalchemy import event

    engine = database_engine(url)
    count = 0

    def die(*arguments: Any) -> None:
        nonlocal count
        if not str(arguments[2]).lstrip().upper().startswith("SELECT"):
            count += 1
            if count == write:
                os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "before_cursor_execute", die)
    work_through(engine, account, days([flat(50), (50, 50, 40, 41)]))
    os.kill(os.getpid(), signal.SIGKILL)


def test_commands_take_effect_once_and_are_answered(engine: Engine) -> None:
    account = opened(engine)
    hand_in(engine, account, buy(protect=Protection(stop=usd(45))))
    bars = days([flat(50), flat(50), (50, 50, 46, 47), flat(47)])
    work_through(engine, account, bars.rows(0, 1))
    with transaction(engine) as session:
        assert request_command(session, account, "edit_stop", "ann", target="in.stop", stop=usd(47), key="k1")
        assert not request_command(
            session, account, "edit_stop", "ann", target="in.stop", stop=usd(47), key="k1"
        )
        request_command(session, account, "pause", "ann")
        request_command(session, account, "cancel", "bob", target="nothing")
    hand_in(engine, account, buy("late", day=3, quantity=1))
    work_through(engine, account, bars)
    assert fills(engine)[1:] == [("in.stop", Decimal(100), Decimal(47))]
    with transaction(engine) as session:
        rows = session.scalars(select(models.OperatorCommand).order_by(models.OperatorCommand.id)).all()
        assert [row.result for row in rows] == [
            "done",
            "done",
            "nothing to cancel: nothing is not an open order",
        ]
        assert session.get_one(models.Order, "late").status == "rejected"
        halt = session.scalars(select(models.AccountHalt)).one()
        assert (halt.kind, halt.until) == ("paused", None)


def test_flatten_from_the_table_sells_everything_at_the_next_open(engine: Engine) -> None:
    account = opened(engine)
    hand_in(engine, account, buy())
    work_through(engine, account, days([flat(50)]))
    with transaction(engine) as session:
        request_command(session, account, "flatten", "ann")
    work_through(engine, account, days([flat(50), flat(49), flat(48)]))
    assert [(row[1], row[2]) for row in fills(engine)] == [(100, 50), (100, 49)]


def test_an_account_is_opened_once_and_on_its_own_terms(engine: Engine) -> None:
    account = opened(engine)
    assert opened(engine) == account
    from falcon_pipelines.trading.risk import Limits

    with pytest.raises(AccountExists, match="paper"):
        opened(engine, rules=Rules(limits=Limits(max_positions=3)))
    with transaction(engine) as session:
        close_account(session, account, OPENED + timedelta(days=9))
    with pytest.raises(AccountExists):
        opened(engine)


def test_a_bar_that_is_committed_while_the_books_are_proved_breaks_none(
    engine: Engine, database_url: str
) -> None:
    """The trader works on while the proof asks one question after the other."""
    account = opened(engine)
    hand_in(engine, account, buy())
    work_through(engine, account, days([flat(50)]))
    trader = database_engine(database_url)
    bars = []

    def a_bar_comes(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "FROM position_marks" in statement:
            with transaction(trader) as session:
                session.execute(text("UPDATE position_marks SET price = price + 1"))
                session.execute(text("UPDATE account_marks SET equity = equity + 100"))
            bars.append(statement)

    event.listen(engine, "before_cursor_execute", a_bar_comes)
    assert halt_broken(engine) == {}
    assert len(bars) == 1
    event.remove(engine, "before_cursor_execute", a_bar_comes)
    assert halt_broken(engine) == {}
    trader.dispose()


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE postings SET amount = amount + 1 WHERE kind = 'buy' AND leg = 0", "off by 1"),
        ("UPDATE fills SET price = price + 1", "dollars moved"),
        ("UPDATE fills SET quantity = quantity + 1", "traded"),
        ("DELETE FROM postings WHERE kind = 'buy'", "booked"),
        ("UPDATE account_marks SET equity = equity + 1", "equity of"),
        ("UPDATE orders SET quantity = 500 WHERE id = 'in.stop'", "open sale"),
        ("UPDATE orders SET quantity = 99 WHERE id = 'in'", "order in: 100 of 99 shares filled"),
        (
            "UPDATE orders SET detail = jsonb_set(detail, '{filled}', '60') WHERE id = 'in'",
            "order in: 60 of 100 shares filled, its fills are 100",
        ),
        ("UPDATE postings SET number = 7 WHERE kind = 'buy'", "a gap or repeat"),
        ("UPDATE postings SET amount = -amount WHERE kind = 'deposit'", "cash is"),
        (
            "INSERT INTO postings (entry_id, leg, account_id, number, kind, ledger, ticker, amount, quantity, fill_id,"
            " booked_at) SELECT '00000000-0000-0000-0000-000000000001', leg, account_id, number + 1, kind, ledger,"
            " ticker, amount, quantity, fill_id, booked_at FROM postings WHERE kind = 'buy'",
            "is booked 2 times",
        ),
    ],
)
def test_reconciliation_finds_damage_and_halts_entries(engine: Engine, damage: str, finding: str) -> None:
    account = opened(engine)
    hand_in(engine, account, buy(protect=Protection(stop=usd(45))))
    work_through(engine, account, days([flat(50)]))
    with transaction(engine) as session:
        assert reconcile(session, account) == ()
        session.execute(text(damage))
    assert finding in "; ".join(halt_broken(engine)["paper"])
    halt_broken(engine)
    with transaction(engine) as session:
        assert [halt.kind for halt in session.scalars(select(models.AccountHalt))] == ["reconciliation"]
