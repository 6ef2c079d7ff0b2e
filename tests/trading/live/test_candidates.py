"""Candidates become orders of the strategy they are routed to, or skipped trades with the reason."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.live.facts import Reference
from tests.trading.live.bars import arrive, minute
from tests.trading.live.conftest import MakeDesk

FRIDAY = date(2026, 10, 30)
MORNING = minute(-330)  # 04:00 New York
STOCK = Reference(etf=False, market_cap=2e9, sector="Technology")
ROUTING = """
rules:
  - {name: etf, when: {etf: true}, strategy: broad}
  - {name: penny, when: {price_below: 5}, strategy: small}
  - {name: large, when: {market_cap_above: 1.0e+11}, strategy: golden}
  - {name: rest, strategy: tenth}
strategies:
  broad: {sizing: {percent_of_equity: 20}}
  small: {sizing: {risk_per_trade: 1}, max_sessions: 3}
  tenth: {sizing: {percent_of_equity: 10}, trail_percent: 8}
"""


@pytest.fixture
def routing(tmp_path: Path) -> Path:
    path = tmp_path / "routing.yaml"
    path.write_text(ROUTING)
    return path


def pick(engine: Engine, ticker: str, close: float = 100, profile: str = "momentum", **levels: Any) -> None:
    """A pick of Friday's close, screened on Monday at 04:00 unless `at` says otherwise."""
    around = {
        "entry_low": close * 0.98,
        "entry_high": close * 1.02,
        "stop": close * 0.9,
        "target": close * 1.2,
    }
    at = levels.pop("at", MORNING)
    values = {name: Decimal(str(levels.pop(name, value))) for name, value in around.items()}
    with transaction(engine) as session:
        run = session.scalars(
            select(models.ScreenRun).where(
                models.ScreenRun.profile == profile, models.ScreenRun.created_at == at
            )
        ).first()
        if run is None:
            run = models.ScreenRun(
                profile=profile,
                session=FRIDAY,
                data_version=f"v{at}",
                universe=10,
                judged_by="factor score",
                created_at=at,
            )
            session.add(run)
            session.flush()
        rank = (
            session.scalar(select(func.max(models.ScreenPick.rank)).where(models.ScreenPick.run_id == run.id))
            or 0
        ) + 1
        session.add(
            models.ScreenPick(
                run_id=run.id, rank=rank, ticker=ticker, score=1.0, factors={}, close=Decimal(str(close)),
                confidence=levels.pop("confidence", None), **values,
            )
        )  # fmt: skip


def skipped(engine: Engine) -> dict[str, tuple[str, str]]:
    with transaction(engine) as session:
        rows = session.scalars(select(models.SkippedTrade).order_by(models.SkippedTrade.id))
        return {row.ticker: (row.rule, row.reason) for row in rows}


def orders(engine: Engine, status: str | None = None) -> dict[str, models.Order]:
    with transaction(engine) as session:
        query = select(models.Order).order_by(models.Order.sequence)
        rows = [row for row in session.scalars(query) if status is None or row.status == status]
        session.expunge_all()
        return {row.id: row for row in rows}


def run(engine: Engine, desk: Any, number: int, **bars: Any) -> None:
    """A minute of flat prices (or whole bars) arrives and is worked through."""
    rows = {ticker: bar if isinstance(bar, tuple) else (bar,) * 4 for ticker, bar in bars.items()}
    arrive(engine, minute(number), rows)
    desk.turn(minute(number + 1))


def test_a_candidate_in_its_range_is_bought_on_the_next_bar_with_its_stop_and_target(
    engine: Engine, make_desk: MakeDesk, routing: Path
) -> None:
    pick(engine, "ABC", 100)
    pick(engine, "ABC", 100, profile="reversion")
    desk = make_desk(MORNING, {"ABC": STOCK}, routing=routing)
    run(engine, desk, 0, ABC=100)
    assert {row.status for row in orders(engine).values()} == {"submitted"}
    run(engine, desk, 1, ABC=101)
    found = orders(engine)
    entry = found["candidate:20261030:ABC:buy"]
    assert (entry.status, entry.quantity, entry.detail["profile"]) == ("filled", 9, "momentum+reversion")
    assert entry.detail["strategy"] == "tenth"
    assert found[f"{entry.id}.stop"].stop == 90
    assert found[f"{entry.id}.target"].limit == 120
    assert found[f"{entry.id}.trail"].stop == Decimal("92.966460")
    assert skipped(engine) == {}


def test_a_price_outside_the_range_waits_and_is_skipped_when_the_candidate_is_too_old(
    engine: Engine, make_desk: MakeDesk, routing: Path
) -> None:
    pick(engine, "ABC", 100)
    desk = make_desk(MORNING, {"ABC": STOCK}, routing=routing)
    run(engine, desk, 0, ABC=110)
    assert (orders(engine), skipped(engine)) == ({}, {})
    tuesday = session_open_close(date(2026, 11, 3))[0]
    arrive(engine, tuesday, {"ABC": (100,) * 4})
    desk.turn(tuesday + timedelta(minutes=1))
    rule, reason = skipped(engine)["ABC"]
    assert rule == "age"
    assert "24 are allowed" in reason
    assert orders(engine) == {}


@pytest.mark.parametrize(
    ("levels", "rule", "words"),
    [
        ({"stop": 99.5}, "stop_distance", "0.50 %"),
        ({"confidence": Decimal("0.3")}, "confidence", "0.30 is below 0.50"),
        ({"stop": 103}, "geometry", "make no trade"),
        ({"target": 101}, "geometry", "make no trade"),
        ({"at": MORNING - timedelta(hours=30)}, "age", "screened 36 hours ago"),
    ],
)
def test_a_refused_candidate_is_kept_with_the_reason(
    engine: Engine, make_desk: MakeDesk, routing: Path, levels: dict[str, Any], rule: str, words: str
) -> None:
    pick(engine, "ABC", 100, **levels)
    desk = make_desk(MORNING, {"ABC": STOCK}, routing=routing)
    run(engine, desk, 0, ABC=100)
    assert skipped(engine)["ABC"][0] == rule
    assert words in skipped(engine)["ABC"][1]
    assert orders(engine) == {}


def test_a_missing_input_is_said_and_not_guessed(engine: Engine, make_desk: MakeDesk, routing: Path) -> None:
    pick(engine, "ABC", 100)
    pick(engine, "DEF", 100)
    desk = make_desk(MORNING, {"DEF": Reference(etf=False)}, routing=routing)
    run(engine, desk, 0, ABC=100, DEF=100)
    assert skipped(engine) == {
        "ABC": ("routing", "not known of ABC: whether it is an ETF; rule etf needs it"),
        "DEF": ("routing", "not known of DEF: market capitalisation; rule large needs it"),
    }


def test_a_strategy_that_is_not_on_paper_is_named(engine: Engine, make_desk: MakeDesk, routing: Path) -> None:
    pick(engine, "BIG", 100)
    desk = make_desk(MORNING, {"BIG": Reference(etf=False, market_cap=2e11)}, routing=routing)
    run(engine, desk, 0, BIG=100)
    assert skipped(engine)["BIG"][1].startswith("strategy golden (rule large) is not on paper")


def test_what_risk_refuses_is_a_skipped_trade_too(engine: Engine, make_desk: MakeDesk, routing: Path) -> None:
    tech = {f"T{n}": Reference(etf=True, sector="Technology") for n in range(3)}
    for ticker in tech:
        pick(engine, ticker, 100)
    desk = make_desk(MORNING, tech, routing=routing)
    run(engine, desk, 0, T0=100, T1=100, T2=100)
    run(engine, desk, 1, T0=100, T1=100, T2=100)
    filled = [row for row in orders(engine, "filled").values() if row.side == "buy"]
    assert [int(row.quantity) for row in filled] == [19, 10]
    rule, reason = skipped(engine)["T2"]
    assert rule == "risk"
    assert reason.startswith("sector_share")


def test_a_restart_decides_nothing_twice(engine: Engine, make_desk: MakeDesk, routing: Path) -> None:
    pick(engine, "ABC", 100)
    desk = make_desk(MORNING, {"ABC": STOCK}, routing=routing)
    arrive(engine, minute(0), {"ABC": (100,) * 4})
    arrive(engine, minute(1), {"ABC": (100,) * 4})
    desk.turn(minute(2))
    for number in (2, 3):
        again = make_desk(minute(number), {"ABC": STOCK}, routing=routing)
        run(engine, again, number, ABC=100)
    buys = [row for row in orders(engine).values() if row.side == "buy"]
    assert [(row.id, row.status) for row in buys] == [("candidate:20261030:ABC:buy", "filled")]
    with transaction(engine) as session:
        assert session.scalar(select(func.count()).select_from(models.Fill)) == 1
