"""What Dagster shows of the books: orders, fills, performance, skipped trades scored, the day's report, halts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine, insert, select, update

from falcon_pipelines.assets.paper_books import BOOK_ASSETS
from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.checks import books_reconciled
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.trading import watch
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Bar, OrderRequest, Protection, usd
from falcon_pipelines.trading.performance import deals, performance
from falcon_pipelines.trading.skip_scores import score_skipped
from falcon_pipelines.trading.store import create_account, submit
from falcon_pipelines.trading.writer import Trader
from falcon_pipelines.trading_sensors import halted_accounts, live_trading
from tests.bars.market import line, write_lines
from tests.trading.live.bars import MONDAY, arrive, minute

DAYS = sessions_from(MONDAY, 25)


@pytest.fixture
def engine(database_url: str) -> Any:
    made = database_engine(database_url)
    yield made
    made.dispose()


def traded(engine: Engine) -> int:
    """An account that won with one candidate and lost with a strategy's trade."""
    with transaction(engine) as session:
        account = create_account(session, "paper", Decimal(10_000), minute(0), Rules(), live_sequence=0)
        protect = Protection(stop=usd(95), target=usd(110))
        common: dict[str, Any] = {
            "at": minute(0),
            "side": "buy",
            "type": "market",
            "quantity": 10,
            "protect": protect,
        }
        submit(
            session,
            account,
            [
                OrderRequest(id="a", ticker="A", strategy="trend", profile="momentum+gaps", **common),
                OrderRequest(id="b", ticker="B", strategy="revert", **common),
            ],
        )
    trader = Trader(engine, account)
    for number, (a, b) in enumerate([(100.0, 100.0), (111.0, 94.0)]):
        at = minute(number)
        bars = {"A": Bar(a, a, a, a, 1e6), "B": Bar(b, b, b, b, 1e6)}
        trader.work_live(Moment(at, at, MONDAY), bars, number + 1, number + 1)
    return account


def test_profit_belongs_to_whose_idea_the_purchase_was(engine: Engine) -> None:
    traded(engine)
    with transaction(engine) as session:
        groups = {
            (g.dimension, g.name): (g.exits, g.winners, g.realised) for g in performance(deals(session))
        }
    won, lost = (1, 1, Decimal(110)), (1, 0, Decimal(-60))
    assert groups == {
        ("strategy", "trend"): won,
        ("strategy", "revert"): lost,
        ("source", "candidate"): won,
        ("source", "library"): lost,
        ("profile", "momentum"): won,
        ("profile", "gaps"): won,
    }


def skipped(ticker: str, **levels: float) -> dict[str, Any]:
    prices = {"close": 100, "entry_low": 99, "entry_high": 101, "stop": 90, "target": 120, **levels}
    return {
        "session": DAYS[0], "ticker": ticker, "profiles": ["p"], "rule": "age", "reason": "old",
        "skipped_at": minute(0), **{name: Decimal(str(price)) for name, price in prices.items()},
    }  # fmt: skip


def test_skipped_trades_are_scored_by_what_they_did_afterwards(engine: Engine, tmp_path: Path) -> None:
    store = BarStore(tmp_path / "store", engine)
    for number, day in enumerate(DAYS[:22]):
        rise = 100 + number
        write_lines(
            tmp_path / "flat",
            day,
            [
                line("UP", day, rise, rise, rise + 0.5, rise - 0.5),
                line("DOWN", day, 100, 100, 100, 100 - 2 * number),
                line("FLAT", day, 100, 101 if number == 20 else 100, 101, 99),
                line("JUMP", day, *((130, 130, 130, 129) if number else (100, 100, 100, 100))),
            ],
        )
    list(ingest_range(DirectorySource(tmp_path / "flat"), store, "day", DAYS[0], DAYS[21]))
    with transaction(engine) as session:
        rows = [skipped(name) for name in ("UP", "DOWN", "FLAT", "JUMP", "GONE")]
        session.execute(insert(models.SkippedTrade), rows)
        assert score_skipped(session, store) == 5
        assert score_skipped(session, store) == 0
        found = {
            row.ticker: (row.outcome, row.outcome_return and round(row.outcome_return, 4), row.scored_through)
            for row in session.scalars(select(models.SkippedTrade))
        }
    assert found == {
        "UP": ("target", round(120 / 101 - 1, 4), DAYS[20]),
        "DOWN": ("stop", -0.1, DAYS[5]),
        "FLAT": ("open", 0.01, DAYS[20]),
        "JUMP": ("no_entry", None, DAYS[1]),
        "GONE": ("no_bars", None, None),
    }


def test_the_books_show_in_dagster_and_the_report_is_sent_once(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    traded(engine)
    database = Database(url=database_url)
    resources = {"database": database, "bars": Bars(root=str(tmp_path / "store"), database=database)}
    for _ in range(2):
        result = dg.materialize([*BOOK_ASSETS, books_reconciled], resources=resources)
        assert result.success
    assert result.asset_materializations_for_node("fills")[0].metadata["dagster/row_count"].value == 4
    assert result.get_asset_check_evaluations()[0].passed
    report = result.asset_materializations_for_node("daily_report")[0].metadata["report"].value
    assert "| paper | 10,050.00 |" in str(report)
    assert "| sell 10 A |" in str(report)
    with transaction(engine) as session:
        sent = session.scalars(select(models.Notification)).all()
        assert [(row.kind, row.title) for row in sent] == [("daily_digest", f"Paper trading on {MONDAY}")]


def test_a_break_halts_entries_holds_the_report_back_and_is_told(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    traded(engine)
    with transaction(engine) as session:
        session.execute(update(models.Posting).where(models.Posting.kind == "deposit").values(amount=1))
    database = Database(url=database_url)
    resources = {"database": database, "bars": Bars(root=str(tmp_path / "store"), database=database)}
    result = dg.materialize([*BOOK_ASSETS, books_reconciled], resources=resources, raise_on_error=False)
    assert not result.success
    assert result.asset_materializations_for_node("daily_report") == []
    with transaction(engine) as session:
        assert session.scalars(select(models.AccountHalt.kind)).all() == ["reconciliation"]
        assert session.scalars(select(models.Notification.title)).all() == ["paper: the books do not agree"]


def test_a_new_halt_asks_for_proof_of_the_books_once(engine: Engine, database_url: str) -> None:
    account = traded(engine)
    with transaction(engine) as session:
        session.execute(
            insert(models.AccountHalt).values(
                account_id=account, kind="daily_loss", since=minute(5), reason="3 % lost"
            )
        )
    context = dg.build_sensor_context(resources={"database": Database(url=database_url)})
    result = halted_accounts(context)
    assert isinstance(result, dg.SensorResult)
    (request,) = result.run_requests or []
    assert request.tags["falcon/halts"] == "paper: daily_loss"
    again = halted_accounts(
        dg.build_sensor_context(cursor=result.cursor, resources={"database": Database(url=database_url)})
    )
    assert isinstance(again, dg.SensorResult)
    assert not again.run_requests


def test_a_standstill_in_the_session_is_a_problem_and_one_at_night_is_not() -> None:
    noon = datetime.fromisoformat("2026-11-02T12:00-05:00")
    still = watch.LiveState(noon - timedelta(minutes=20), noon - timedelta(minutes=5))
    assert watch.problems(still, noon) == (
        "no live bar since 2026-11-02T16:40Z",
        "the trader is silent since 2026-11-02T16:55Z",
    )
    assert watch.problems(watch.LiveState(None, None), noon) == ()
    assert watch.problems(still, noon + timedelta(hours=9)) == ()
    assert watch.problems(still, datetime.fromisoformat("2026-11-27T14:00-05:00")) == ()  # closed at 13:00


def test_a_standstill_is_what_a_live_feed_says_and_without_one_what_the_newest_bar_says(
    engine: Engine,
) -> None:
    noon = datetime.fromisoformat("2026-11-02T12:00-05:00")
    arrive(engine, noon - timedelta(minutes=20), {"X": (1, 1, 1, 1)})

    def says(silent: datetime | None, at: datetime) -> None:
        row = {"name": "alpaca", "basis": "sip", "state": "stale" if silent else "live", "counts": {}}
        with transaction(engine) as session:
            session.merge(models.Feed(**row, stale_since=silent, updated_at=at))

    def since() -> datetime | None:
        with transaction(engine) as session:
            found = watch.stale_since(watch.live_state(session), noon)
            if found is not None:
                watch.tell_stale(session, found)
            return found

    assert since() == noon - timedelta(minutes=20)
    says(None, noon)  # nothing is due: no symbol trades, or none is watched
    assert since() is None
    says(noon - timedelta(minutes=19), noon)
    assert since() == noon - timedelta(minutes=20)
    says(noon - timedelta(minutes=19), noon - timedelta(minutes=3))
    assert since() == noon - timedelta(minutes=20)
    with transaction(engine) as session:
        assert session.scalars(select(models.Notification.kind)).all() == ["stale_feed"]


def test_the_sensor_of_live_trading_runs_on_a_real_database(engine: Engine, database_url: str) -> None:
    arrive(
        engine, datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=20), {"X": (1, 1, 1, 1)}
    )
    reason = live_trading(dg.build_sensor_context(resources={"database": Database(url=database_url)}))
    assert isinstance(reason, dg.SkipReason)
