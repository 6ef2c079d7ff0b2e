"""Live bars into fills: in order, each once, whatever arrives late, twice or shuffled."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine, select, update

from falcon_pipelines.bars.actions import CorporateAction, actions_table
from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.commands import request_command
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.reconciliation import broken_books
from falcon_pipelines.trading.store import account_named, close_account, load_account
from tests.trading.live.bars import arrive, minute
from tests.trading.live.books import buy, equity, fills, hand_in, order, told
from tests.trading.live.conftest import MakeDesk

TUESDAY = date(2026, 11, 3)


def flat(price: float) -> tuple[float, float, float, float]:
    return (price,) * 4


def test_a_stop_is_matched_for_what_is_held_whether_or_not_it_is_on_a_list(
    engine: Engine, make_desk: MakeDesk
) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, buy("in", minute(0), stop=95, target=130))
    for number, bar in enumerate([flat(100), (100, 101, 99, 100), (96, 97, 94, 96)]):
        arrive(engine, minute(number), {"X": bar, "OTHER": flat(5)})
        desk.turn(minute(number + 1))
    assert fills(engine) == [("in", 10, 100.05, ()), ("in.stop", 10, 94.9525, ())]
    assert told(engine) == ["Bought 10 X at 100.05", "Sold 10 X at 94.9525"]
    assert told(engine, "stop") == ["Sold 10 X at 94.9525"]
    with transaction(engine) as session:
        assert broken_books(session) == {}


def test_missed_bars_are_worked_through_in_order_and_their_fills_say_so(
    engine: Engine, make_desk: MakeDesk
) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, buy("in", minute(0), stop=95))
    arrive(engine, minute(0), {"X": flat(100)})
    desk.turn(minute(1))
    arrive(engine, minute(2), {"X": flat(90)}, late=True)
    arrive(engine, minute(1), {"X": (96, 96, 94, 95)}, late=True)
    desk.turn(minute(3))
    assert fills(engine)[1] == ("in.stop", 10, 94.9525, ("replayed",))


def test_bars_that_waited_for_a_stopped_trader_are_missed_too(engine: Engine, make_desk: MakeDesk) -> None:
    make_desk(minute(0))
    hand_in(engine, buy("in", minute(0)))
    arrive(engine, minute(0), {"X": flat(100)}, arrived_at=datetime.now(UTC) - timedelta(minutes=5))
    make_desk(datetime.now(UTC)).turn(datetime.now(UTC))
    assert fills(engine) == [("in", 10, 100.05, ("replayed",))]


def test_bars_of_one_minute_that_come_apart_count_each_and_a_ticker_never_goes_back(
    engine: Engine, make_desk: MakeDesk
) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, buy("x", minute(0), "X", stop=95), buy("y", minute(0), "Y", stop=45))
    arrive(engine, minute(0), {"X": flat(100)})
    desk.turn(minute(1))
    arrive(engine, minute(0), {"Y": flat(50)})
    desk.turn(minute(1))
    arrive(engine, minute(2), {"X": flat(100)})
    desk.turn(minute(3))
    arrive(engine, minute(1), {"X": (100, 100, 90, 100)})  # older than what X was worked through
    desk.turn(minute(3))
    assert [row[0] for row in fills(engine)] == ["x", "y"]


def test_an_order_never_meets_a_bar_that_began_before_it(engine: Engine, make_desk: MakeDesk) -> None:
    desk = make_desk(minute(0))
    resting = buy("x", minute(0), "X", type="limit", limit=Decimal("0.5"))
    hand_in(engine, resting, buy("y", minute(1) + timedelta(seconds=30), "Y"))
    arrive(engine, minute(2), {"X": flat(1)})
    desk.turn(minute(3))
    assert order(engine, "y").status == "open"
    arrive(engine, minute(1), {"Y": flat(50)})  # a straggler from before the order
    desk.turn(minute(3))
    assert fills(engine) == []
    arrive(engine, minute(3), {"Y": flat(60)})
    desk.turn(minute(4))
    assert fills(engine) == [("y", 10, 60.03, ())]


def test_a_correction_rewrites_no_fill(engine: Engine, make_desk: MakeDesk) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, buy("in", minute(0), stop=95))
    arrive(engine, minute(0), {"X": flat(100)})
    desk.turn(minute(1))
    before = fills(engine)
    arrive(engine, minute(0), {"X": (100, 100, 80, 80)}, revision=1)
    desk.turn(minute(1))
    assert fills(engine) == before
    assert equity(engine) == Decimal("9999.399950")


def test_bars_outside_the_session_fill_nothing(engine: Engine, make_desk: MakeDesk) -> None:
    desk = make_desk(minute(-30))
    hand_in(engine, buy("in", minute(-30)))
    arrive(engine, minute(-10), {"X": flat(90)})
    arrive(engine, minute(390), {"X": flat(91)})
    desk.turn(minute(391))
    assert fills(engine) == []


def test_an_order_after_an_early_close_fills_on_the_next_session(engine: Engine, make_desk: MakeDesk) -> None:
    friday, monday = date(2026, 11, 27), date(2026, 11, 30)
    desk = make_desk(minute(0, friday))
    hand_in(engine, buy("in", datetime.fromisoformat("2026-11-27T13:05-05:00")))
    for number in (209, 210, 215, 240):  # the exchange closes after minute 209
        arrive(engine, minute(number, friday), {"X": flat(100)})
    desk.turn(minute(241, friday))
    assert fills(engine) == []
    arrive(engine, minute(0, monday), {"X": flat(102)})
    desk.turn(minute(1, monday))
    with transaction(engine) as session:
        filled = session.scalars(select(models.Fill)).one().filled_at
    assert filled == session_open_close(monday)[0]


def test_commands_are_obeyed_without_a_bar_and_a_sale_takes_the_next_open(
    engine: Engine, make_desk: MakeDesk
) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, buy("in", minute(0)), buy("rest", minute(0), type="limit", limit=Decimal(50)))
    arrive(engine, minute(0), {"X": flat(100)})
    desk.turn(minute(1))
    with transaction(engine) as session:
        account = account_named(session, "candidates")
        request_command(session, account, "pause", "ann", key="a")
        request_command(session, account, "flatten", "ann", key="b")
    desk.turn(datetime.now(UTC))
    with transaction(engine) as session:
        rows = session.scalars(select(models.OperatorCommand)).all()
        assert {row.result for row in rows} == {"done"}
        assert [halt.kind for halt in load_account(session, account).state.halts] == ["paused"]
    assert order(engine, "rest").status == "cancelled"
    assert "candidates: entries are halted" in told(engine, "halt")
    hand_in(engine, buy("no", minute(1)))
    arrive(engine, minute(1), {"X": flat(90)})
    assert desk.turn(minute(2)) == 1
    assert order(engine, "no").status == "rejected"
    restarted = make_desk(minute(2))
    hand_in(engine, buy("still not", minute(2)))
    late = datetime.now(UTC).replace(second=0, microsecond=0)
    assert restarted.workers[account].state.halts[0].kind == "paused"
    assert late > minute(0)


def test_a_reset_opens_the_next_account_and_keeps_the_old_ones_history(
    engine: Engine, make_desk: MakeDesk
) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, buy("in", minute(0)))
    arrive(engine, minute(0), {"X": flat(100)})
    desk.turn(minute(1))
    with transaction(engine) as session:
        close_account(session, account_named(session, "candidates"), minute(2))
    desk.refresh(minute(2))
    assert [worker.account.name for worker in desk.workers.values()] == ["candidates 2"]
    assert equity(engine) == Decimal("9999.399950")
    assert len(fills(engine)) == 1


def test_a_split_and_a_dividend_are_lived_through_before_the_open(
    engine: Engine, make_desk: MakeDesk, store: BarStore
) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, buy("in", minute(0), quantity=30, stop=72))
    arrive(engine, minute(0), {"X": flat(80)})
    desk.turn(minute(1))
    add_actions(
        engine, store,
        CorporateAction("X", "split", TUESDAY, ratio=4.0),
        CorporateAction("X", "dividend", TUESDAY, amount=0.5, pay_date=date(2026, 11, 5)),
    )  # fmt: skip
    before_open = minute(-60, TUESDAY)
    desk.turn(before_open)
    desk.turn(before_open + timedelta(minutes=20))
    stop = order(engine, "in.stop")
    assert (int(stop.quantity), float(stop.stop or 0)) == (120, 18.0)
    with transaction(engine) as session:
        books = load_account(session, account_named(session, "candidates")).state.books
    assert (books.quantity("X"), float(books.receivable), float(books.realised)) == (120, 60.0, 0.0)
    make_desk(minute(0, TUESDAY))
    arrive(engine, minute(0, TUESDAY), {"X": flat(20)})
    again = make_desk(minute(1, TUESDAY))
    again.turn(minute(1, TUESDAY))
    with transaction(engine) as session:
        books = load_account(session, account_named(session, "candidates")).state.books
        assert broken_books(session) == {}
    assert (books.quantity("X"), float(books.receivable)) == (120, 60.0)


def test_a_delisted_holding_keeps_its_last_price_until_it_is_known_what_was_paid(
    engine: Engine, make_desk: MakeDesk, store: BarStore
) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, buy("in", minute(0), stop=40))
    arrive(engine, minute(0), {"X": flat(50)})
    arrive(engine, minute(1), {"X": flat(48)})
    desk.turn(minute(2))
    add_actions(engine, store, CorporateAction("X", "delisting", TUESDAY))
    desk.turn(minute(-60, TUESDAY))
    assert order(engine, "in.stop").status == "cancelled"
    with transaction(engine) as session:
        mark = session.scalars(select(models.PositionMark)).one()
        assert (float(mark.price), mark.priced_at) == (48.0, minute(1))
    add_actions(engine, store, CorporateAction("X", "delisting", TUESDAY, amount=30.0))
    desk.turn(minute(-20, TUESDAY))
    with transaction(engine) as session:
        books = load_account(session, account_named(session, "candidates")).state.books
        assert session.scalars(select(models.PositionMark)).all() == []
        assert broken_books(session) == {}
    assert books.quantity("X") == 0
    assert books.cash == Decimal("9799.699975")


def test_a_split_published_after_trades_at_its_prices_is_not_applied_but_told(
    engine: Engine, make_desk: MakeDesk, store: BarStore
) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, buy("old", minute(0)), buy("new", minute(0, TUESDAY), quantity=5))
    arrive(engine, minute(0), {"X": flat(80)})
    desk.turn(minute(1))
    arrive(engine, minute(0, TUESDAY), {"X": flat(20)})
    desk.turn(minute(1, TUESDAY))
    add_actions(engine, store, CorporateAction("X", "split", TUESDAY, ratio=4.0))
    desk.turn(minute(30, TUESDAY))
    with transaction(engine) as session:
        books = load_account(session, account_named(session, "candidates")).state.books
    assert books.quantity("X") == 15
    assert told(engine, "reconciliation") == ["candidates: split:X:2026-11-03 was published late"]


def test_an_account_whose_books_are_broken_is_halted_and_named(engine: Engine, make_desk: MakeDesk) -> None:
    make_desk(minute(0))
    with transaction(engine) as session:
        cash = models.Posting.ledger == "cash"
        session.execute(update(models.Posting).where(cash).values(amount=Decimal(999)))
    desk = make_desk(minute(0))
    assert desk.workers == {}
    assert desk.troubles is not None
    assert "candidates: entry 0 (deposit) is off by" in desk.troubles
    assert told(engine, "reconciliation") == ["candidates: the books do not agree"]


def add_actions(engine: Engine, store: BarStore, *actions: CorporateAction) -> None:
    """Publish corporate actions in the bar store."""
    writer = BarStore(store.root, engine)
    table = actions_table(list(actions))
    writer.add_actions(table, "test", "-".join(f"{a.kind}{a.amount}" for a in actions))
