"""A trader that was away for sessions: what it missed happens in the order in which it would have happened."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from falcon_pipelines.bars.actions import CorporateAction
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.commands import request_command
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.live.desk import TradingDesk
from falcon_pipelines.trading.reconciliation import broken_books
from falcon_pipelines.trading.store import account_named, load_account
from tests.trading.live.bars import arrive, minute
from tests.trading.live.books import buy, fills, hand_in, order
from tests.trading.live.conftest import MakeDesk
from tests.trading.live.test_candidates import ROUTING, STOCK, orders, pick, skipped
from tests.trading.live.test_desk import TUESDAY, add_actions, flat

WEDNESDAY = date(2026, 11, 4)


@pytest.fixture
def routing(tmp_path: Path) -> Path:
    path = tmp_path / "routing.yaml"
    path.write_text(ROUTING)
    return path


def come(engine: Engine, number: int, session: date, **bars: tuple[float, ...]) -> None:
    """Bars that arrived as their minute ended, while nobody read them."""
    at = minute(number, session)
    arrive(engine, at, bars, arrived_at=at + timedelta(minutes=1))


def catch_up(desk: TradingDesk, now: datetime) -> None:
    while desk.turn(now):
        pass
    desk.turn(now)


def ask(engine: Engine, command: str, at: datetime) -> None:
    with transaction(engine) as session:
        request_command(session, account_named(session, "candidates"), command, "ann")
        session.flush()
        session.execute(
            update(models.OperatorCommand)
            .where(models.OperatorCommand.command == command)
            .values(requested_at=at)
        )


@pytest.mark.parametrize("resting", [True, False])
def test_a_purchase_of_a_candidate_meets_the_bars_of_its_session_that_are_unread_in_the_next(
    engine: Engine, make_desk: MakeDesk, routing: Path, resting: bool
) -> None:
    pick(engine, "ABC", 100)
    pick(engine, "DEF", 100)
    known = {"ABC": STOCK, "DEF": STOCK}
    desk = make_desk(minute(-330), known, routing=routing)
    arrive(engine, minute(0), {"ABC": flat(100), "DEF": flat(100)})
    desk.turn(minute(1))
    if resting:  # accepted on a bar without volume
        arrive(engine, minute(1), {"ABC": (100, 100, 100, 100, 0), "DEF": (100, 100, 100, 100, 0)})
        desk.turn(minute(2))
    assert {row.status for row in orders(engine).values()} == {"open" if resting else "submitted"}
    come(engine, 2, minute(0).date(), ABC=flat(101))
    come(engine, 0, TUESDAY, ABC=flat(121), DEF=flat(100))
    catch_up(make_desk(minute(30, TUESDAY), known, routing=routing), minute(30, TUESDAY))
    bought, sold = fills(engine)
    assert bought == ("candidate:20261030:ABC:buy", 9, 101.0505, ("replayed",))
    assert sold[0].endswith(".target")
    assert skipped(engine) == {"DEF": ("cancelled", "no bar came in its session")}
    with transaction(engine) as session:
        assert broken_books(session) == {}


def test_a_split_reaches_what_was_bought_in_the_unread_session_before_it_and_the_bars_after_it(
    engine: Engine, make_desk: MakeDesk, store: BarStore
) -> None:
    make_desk(minute(0))
    hand_in(engine, buy("in", minute(0), quantity=30, stop=72))
    add_actions(
        engine, store,
        CorporateAction("X", "split", TUESDAY, ratio=4.0),
        CorporateAction("X", "dividend", WEDNESDAY, amount=0.5, pay_date=WEDNESDAY),
    )  # fmt: skip
    come(engine, 5, minute(0).date(), X=flat(80))
    come(engine, 0, TUESDAY, X=flat(20))
    now = minute(-30, WEDNESDAY)
    catch_up(make_desk(now), now)
    assert fills(engine) == [("in", 30, 80.04, ("replayed",))]
    stop = order(engine, "in.stop")
    assert (int(stop.quantity), float(stop.stop or 0)) == (120, 18.0)
    with transaction(engine) as session:
        books = load_account(session, account_named(session, "candidates")).state.books
        assert broken_books(session) == {}
    assert (books.quantity("X"), float(books.receivable)) == (120, 60.0)


def test_a_halt_of_an_unread_session_ends_with_it(engine: Engine, make_desk: MakeDesk) -> None:
    """Monday's loss refuses Monday's later purchase, not Tuesday's; Wednesday's start finds no halt."""
    desk = make_desk(minute(0))
    hand_in(
        engine,
        buy("in", minute(0), quantity=28),
        buy("late", minute(3), "Y"),
        buy("next", minute(0, TUESDAY), "Y"),
    )
    arrive(engine, minute(0), {"X": flat(100)})
    desk.turn(minute(1))
    monday = minute(0).date()
    come(engine, 2, monday, X=flat(88))
    come(engine, 4, monday, Y=flat(5))
    come(engine, 0, TUESDAY, X=flat(88), Y=flat(5))
    now = minute(60, WEDNESDAY)
    catch_up(make_desk(now), now)
    assert order(engine, "late").status == "rejected"
    assert "daily_loss" in (order(engine, "late").reason or "")
    assert [row[0] for row in fills(engine)] == ["in", "next"]
    with transaction(engine) as session:
        halts = session.scalars(select(models.AccountHalt)).all()
        assert [(halt.kind, halt.since) for halt in halts] == [("daily_loss", minute(2))]
        assert halts[0].until is not None
        assert halts[0].until.astimezone(UTC).date() == TUESDAY
        marks = session.scalars(select(models.AccountMark.session).order_by(models.AccountMark.session)).all()
    assert marks[:2] == [monday, TUESDAY]


def test_a_command_follows_the_unread_sessions_before_it_and_leads_the_bars_after_it(
    engine: Engine, make_desk: MakeDesk
) -> None:
    make_desk(minute(0))
    hand_in(engine, buy("in", minute(0)), buy("rest", minute(0), type="limit", limit=Decimal(50)))
    come(engine, 1, minute(0).date(), X=flat(100))
    come(engine, 0, TUESDAY, X=flat(110))
    come(engine, 60, TUESDAY, X=flat(111))
    come(engine, 0, WEDNESDAY, X=(40, 41, 39, 40))
    ask(engine, "flatten", minute(30, TUESDAY))
    ask(engine, "resume", minute(-60, WEDNESDAY))
    ask(engine, "pause", minute(-120, WEDNESDAY))
    now = minute(10, WEDNESDAY)
    catch_up(make_desk(now), now)
    bought, sold = fills(engine)
    assert bought[:3] == ("in", 10, 100.05)
    assert sold[1:] == (
        10,
        110.9445,
        ("replayed",),
    )  # the first bar after it was asked: 60 minutes after the open
    assert order(engine, "rest").status == "cancelled"
    with transaction(engine) as session:
        assert {row.result for row in session.scalars(select(models.OperatorCommand))} == {"done"}
        assert broken_books(session) == {}
