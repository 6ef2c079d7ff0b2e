"""A strategy on paper trades live bars: yesterday's stored bars and today's minutes make its decision."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.strategies.spec import Spec, spec_hash, validate_spec
from falcon_pipelines.trading.live.facts import Reference
from falcon_pipelines.trading.live.spec_desk import newest_complete
from falcon_pipelines.trading.moments import moment_of_minute
from tests.bars.market import line, write_lines
from tests.trading.live.bars import arrive, minute
from tests.trading.live.books import fills, told
from tests.trading.live.conftest import MakeDesk

STORED = sessions_from(date(2026, 10, 1), 20)
"""The last one is Wednesday, 28 October."""
THURSDAY, FRIDAY = sessions_from(STORED[-1], 3)[1:]
NAME = "breakout"


def spec(timeframe: str = "day", **exits: Any) -> Spec:
    return validate_spec(
        {
            "spec_version": 1,
            "name": NAME,
            "universe": {"tickers": ["X"]},
            "timeframe": timeframe,
            "session": "regular",
            "entry": {"long": {"gt": ["close", {"lag": [{"highest": ["close", 5]}, 1]}]}},
            "exit": {"signal": {"lt": ["close", 90]}, **exits},
            "sizing": {"fixed_shares": 10},
            "execution": {"fee_bps": 0, "slippage_bps": 0},
        }
    )


def validate_sizing(percent: int) -> Any:
    return validate_spec(
        {**spec().model_dump(mode="json", exclude_unset=True), "sizing": {"percent_of_equity": percent}}
    ).sizing


def promote(engine: Engine, wanted: Spec) -> None:
    with transaction(engine) as session:
        row = models.StrategySpec(
            name=wanted.name,
            spec_hash=spec_hash(wanted),
            document=wanted.model_dump(mode="json", exclude_unset=True),
        )
        session.add(row)
        session.flush()
        session.add(models.Promotion(spec_id=row.id, promoted=True, reason="a test says so"))


@pytest.fixture
def stored_days(store: BarStore, engine: Engine, tmp_path: Path) -> None:
    """Day bars of X at 100 up to Wednesday, from flat files."""
    folder = tmp_path / "flat"
    for day in STORED:
        write_lines(folder, day, [line("X", day, 100, 100, 100, 100, 1_000_000)])
    writer = BarStore(store.root, engine)
    list(ingest_range(DirectorySource(folder), writer, "day", STORED[0], STORED[-1]))


def day_of(engine: Engine, desk: Any, day: date, close: float) -> None:
    """An early and the last two minutes of a session arrive, each in its own time."""
    for number, price in ((1, 100.0), (388, close), (389, close)):
        arrive(engine, minute(number, day), {"X": (price,) * 4})
        desk.turn(minute(number + 1, day))


@pytest.mark.parametrize(
    ("timeframe", "number", "newest"),
    [
        ("day", 388, "2026-10-28T04:00Z"),
        ("day", 389, "2026-10-29T04:00Z"),
        ("1m", 0, "2026-10-29T13:30Z"),
        ("5m", 3, "2026-10-28T19:55Z"),
        ("5m", 4, "2026-10-29T13:30Z"),
        ("1h", 388, "2026-10-29T18:30Z"),
        ("1h", 389, "2026-10-29T19:30Z"),
    ],
)
def test_a_bar_is_decided_on_once_its_last_minute_is_there(timeframe: str, number: int, newest: str) -> None:
    moment = moment_of_minute(minute(number, THURSDAY))
    assert moment is not None
    found = newest_complete(moment, timeframe)
    assert found is not None
    assert f"{found:%Y-%m-%dT%H:%MZ}" == newest


def test_an_intraday_strategy_decides_on_each_bar_and_acts_on_the_next(
    engine: Engine, make_desk: MakeDesk, stored_days: None
) -> None:
    promote(engine, spec("5m", time_stop={"bars": 2}))
    desk = make_desk(minute(0, THURSDAY))
    for number in range(50):
        price = 100 if number < 32 else 105
        arrive(engine, minute(number, THURSDAY), {"X": (price, price, price, price)})
        desk.turn(minute(number + 1, THURSDAY))
    (entry, exit_) = fills(engine)
    with transaction(engine) as session:
        times = session.scalars(select(models.Fill.filled_at).order_by(models.Fill.filled_at)).all()
    assert times == [
        minute(35, THURSDAY),
        minute(45, THURSDAY),
    ]  # after the bar of minutes 30 to 34; two bars on
    assert (entry[1], exit_[1]) == (10, 10)
    again = make_desk(minute(50, THURSDAY))
    again.turn(minute(50, THURSDAY))
    assert len(fills(engine)) == 2


def test_a_daily_strategy_decides_at_the_close_and_buys_at_the_next_open(
    engine: Engine, make_desk: MakeDesk, stored_days: None
) -> None:
    promote(engine, spec())
    desk = make_desk(minute(0, THURSDAY))
    day_of(engine, desk, THURSDAY, 103)
    assert fills(engine) == []
    restarted = make_desk(minute(0, FRIDAY))
    arrive(engine, minute(0, FRIDAY), {"X": (104,) * 4})
    restarted.turn(minute(1, FRIDAY))
    assert [row[1:3] for row in fills(engine)] == [(10, 104.0)]
    with transaction(engine) as session:
        name = session.scalars(select(models.Account.name).where(models.Account.spec_id.is_not(None))).one()
    assert name == f"{NAME} {spec_hash(spec())[:6]} live"


def test_a_hole_in_the_bars_is_said_and_nothing_is_decided_over_it(
    engine: Engine, make_desk: MakeDesk, stored_days: None
) -> None:
    promote(engine, spec())
    desk = make_desk(minute(0, FRIDAY))
    day_of(engine, desk, FRIDAY, 103)
    assert desk.troubles is not None
    assert "no bars of 2026-10-29, neither stored nor live" in desk.troubles
    assert told(engine, "decision") == [f"{NAME} {spec_hash(spec())[:6]} live: no decision"]
    with transaction(engine) as session:
        assert session.scalars(select(models.Order)).all() == []


def test_a_retired_strategy_only_leaves(engine: Engine, make_desk: MakeDesk, stored_days: None) -> None:
    promote(engine, spec())
    desk = make_desk(minute(0, THURSDAY))
    day_of(engine, desk, THURSDAY, 103)
    arrive(engine, minute(0, FRIDAY), {"X": (104,) * 4})
    desk.turn(minute(1, FRIDAY))
    with transaction(engine) as session:
        row = session.scalars(select(models.StrategySpec)).one()
        session.add(models.Promotion(spec_id=row.id, promoted=False, reason="retired"))
    desk.refresh(minute(2, FRIDAY))
    monday = FRIDAY + timedelta(days=3)
    day_of(engine, desk, FRIDAY, 80)
    arrive(engine, minute(0, monday), {"X": (81,) * 4})
    desk.turn(minute(1, monday))
    assert [row[1:3] for row in fills(engine)] == [(10, 104.0), (10, 81.0)]


def test_a_strategy_on_its_own_account_keeps_within_half_of_it_and_a_sector_within_less(
    engine: Engine, make_desk: MakeDesk, stored_days: None
) -> None:
    """Its rule asks for everything; the limits of every live account leave it a part."""
    wanted = spec()
    greedy = wanted.model_copy(update={"sizing": validate_sizing(100)})
    promote(engine, greedy)
    known = {"X": Reference(sector="Energy")}
    day_of(engine, make_desk(minute(0, THURSDAY), known), THURSDAY, 103)
    arrive(engine, minute(0, FRIDAY), {"X": (100,) * 4})
    make_desk(minute(0, FRIDAY), known).turn(minute(1, FRIDAY))
    assert [row[1:3] for row in fills(engine)] == [(30, 100.0)]  # 30 % of 10,000 in one sector
    with transaction(engine) as session:
        account = session.scalars(select(models.Account).where(models.Account.spec_id.is_not(None))).one()
        assert account.rules["limits"]["strategy_share"] == 0.5
