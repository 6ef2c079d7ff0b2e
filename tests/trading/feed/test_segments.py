"""Live minutes on disk: the session's file holds the last word on each minute, however often it is made."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine, select

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.ingest import ingest_session
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.validation import BAR_SCHEMA
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import LiveSession
from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.feed.retention import limit, newest_day, retire
from falcon_pipelines.trading.feed.segments import LiveKeeper
from falcon_pipelines.trading.feed.table import newest_sequence, write_bars
from tests.trading.feed.running import MONDAY, bar, rows
from tests.trading.feed.stored import flat_files, store_of

CHECKOUT = Path(__file__).resolve().parents[3]
EVENING = session_open_close(MONDAY)[1] + timedelta(hours=2)


def write(engine: Engine, *bars: MinuteBar, source: str = "massive", basis: str = "sip") -> None:
    with transaction(engine) as session:
        write_bars(session, bars, source, basis)


def keeper(root: Path, engine: Engine, basis: str = "sip") -> LiveKeeper:
    return LiveKeeper(BarStore(root, engine), engine, "massive", basis)


def stored(root: Path) -> list[tuple[str, int, float, float]]:
    table = BarStore(root).cross_section(MONDAY, frequency="minute")
    assert table.schema == BAR_SCHEMA
    opens = session_open_close(MONDAY)[0]
    return [
        (ticker, int((at - opens).total_seconds()) // 60, open_, volume)
        for ticker, at, open_, volume in table.select("ticker", "timestamp", "open", "volume").iter_rows()
    ]


def outcome(engine: Engine) -> str | None:
    with transaction(engine) as session:
        return session.scalars(select(LiveSession.outcome)).one()


def test_the_session_file_holds_the_newest_revision_of_each_minute(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    mine = keeper(tmp_path, engine)
    write(engine, bar("B", 0), bar("A", 0), bar("A", 1))
    assert mine.write_segments() == 3
    assert mine.write_segments() == 0
    write(engine, bar("A", 0, 101.123456), bar("A", 2, volume=0.5))
    assert mine.write_segments() == 2
    assert mine.due(session_open_close(MONDAY)[1]) == ()
    assert mine.due(EVENING) == (MONDAY,)
    assert mine.compact(MONDAY) == "stored"
    assert mine.due(EVENING) == ()
    assert stored(tmp_path) == [
        ("A", 0, 101.123456, 1000),
        ("A", 1, 100, 1000),
        ("A", 2, 100, 0.5),
        ("B", 0, 100, 1000),
    ]
    entry = BarStore(tmp_path).log().sessions("minute")[MONDAY]
    assert (entry.source, entry.basis, entry.revision, entry.rows) == ("live massive", "sip", 1, 4)
    assert not list((tmp_path / "live").rglob("*.parquet"))


def test_what_comes_after_the_file_was_made_makes_a_new_revision(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    mine = keeper(tmp_path, engine)
    write(engine, bar("A", 0), bar("A", 1))
    mine.write_segments()
    mine.compact(MONDAY)
    write(engine, bar("A", 1, 99.0), bar("A", 2, late=True))
    mine.write_segments()
    assert mine.due(EVENING) == (MONDAY,)
    mine.compact(MONDAY)
    assert [row[2] for row in stored(tmp_path)] == [100, 99, 100]
    assert BarStore(tmp_path).log().sessions("minute")[MONDAY].revision == 2


def test_a_published_file_takes_the_place_of_live_bars_and_stays(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    root = tmp_path / "store"
    mine = keeper(root, engine)
    write(engine, bar("A", 0))
    mine.write_segments()
    mine.compact(MONDAY)
    source, _ = flat_files(tmp_path / "files", [bar("A", 0, 42.0), bar("Z", 0)])
    result = ingest_session(source, BarStore(root, engine), "minute", MONDAY)
    assert result.revision == 2
    write(engine, bar("A", 3))
    mine.write_segments()
    assert "published file" in mine.compact(MONDAY)
    assert [(row[0], row[2]) for row in stored(root)] == [("A", 42), ("Z", 100)]


def test_bars_of_another_basis_are_kept_beside_the_store(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    root = tmp_path / "store"
    store_of(root, engine, tmp_path / "files", [bar("A", 0)])
    write(engine, bar("B", 0), source="alpaca", basis="iex")
    mine = keeper(root, engine, "iex")
    mine.write_segments()
    for _ in range(2):
        assert "sip" in mine.compact(MONDAY)
        write(engine, bar("B", 1), source="alpaca", basis="iex")
        mine.write_segments()
    assert "kept beside" in (outcome(engine) or "")
    mine.compact(MONDAY)
    beside = pl.read_parquet(root / "live" / "iex" / f"{MONDAY}.parquet")
    assert beside["timestamp"].len() == 2
    assert stored(root) == [("A", 0, 100, 1000)]


def test_replayed_bars_are_in_the_store_and_not_written_again(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    write(engine, bar("A", 0), source="replay")
    assert keeper(tmp_path, engine).write_segments() == 0
    assert keeper(tmp_path, engine).first_unkept() is None


def test_only_old_bars_that_are_kept_and_worked_through_are_deleted(
    database_url: str, tmp_path: Path
) -> None:
    engine = database_engine(database_url)
    mine = keeper(tmp_path, engine)
    last_week = [bar("A", minute)._replace(time=bar("A", minute).time - 7 * 86_400) for minute in range(3)]
    write(engine, *last_week, bar("A", 0))
    with transaction(engine) as session:
        newest = newest_day(session)
        through = newest_sequence(session)
    assert newest == MONDAY

    def delete(keep: int, through: int) -> int:
        with transaction(engine) as session:
            return retire(session, "massive", limit(MONDAY, keep, mine.first_unkept(), through))

    assert delete(2, through) == 0  # nothing is on disk yet
    mine.write_segments()
    assert delete(2, through) == 0  # in segments only
    for day in mine.due(EVENING):
        mine.compact(day)
    assert delete(6, through) == 0  # young enough
    first = min(row[1] for row in rows(engine))
    assert delete(2, 2) == 2  # a reader has worked through two of them
    assert delete(2, through) == 1
    assert delete(2, through) == 0
    assert [row[1] for row in rows(engine)] == [0]
    assert first < 0
    days = BarStore(tmp_path).sessions("minute")
    assert days == (MONDAY - timedelta(days=7), MONDAY)


def test_retention_counts_sessions_not_days() -> None:
    allowed = limit(date(2026, 11, 30), 3, None, 9)  # after Thanksgiving: 25th, 27th, 30th stay
    assert allowed.before == datetime(2026, 11, 25, 5, tzinfo=UTC)
    assert limit(date(2026, 11, 30), 3, date(2026, 11, 2), 9).before == datetime(2026, 11, 2, 5, tzinfo=UTC)


@pytest.mark.parametrize("points", [10, pytest.param(60, marks=pytest.mark.slow)])
def test_a_feed_killed_at_any_step_loses_no_bar_and_makes_the_same_file(
    tmp_path: Path, database_url: str, points: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.trading.feed.kill_points", str(tmp_path), database_url, str(points)],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["points"] == points
