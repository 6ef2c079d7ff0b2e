"""Live bars that cannot be written wait in the database, and go to disk soon after there is room; outages are others' news."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.services.service import Service
from falcon_pipelines.trading.feed import upkeep as module
from falcon_pipelines.trading.feed.table import write_bars
from falcon_pipelines.trading.feed.upkeep import (
    AGAIN_SECONDS,
    RETENTION_SECONDS,
    RETIRE,
    SEGMENT_SECONDS,
    Upkeep,
)
from tests.services.waiting import until
from tests.trading.feed.running import MONDAY, bar
from tests.trading.feed.test_segments import keeper


def test_bars_are_on_disk_soon_after_there_is_room(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(module, "time", clock)
    engine = database_engine(database_url)
    service = Service("falcon-test", engine)
    mine = keeper(tmp_path, engine)
    upkeep = Upkeep(service, engine, "massive", mine, lambda _: 0, keep_sessions=5)
    noon = int(session_open_close(MONDAY)[0].timestamp()) + 7200
    with transaction(engine) as session:
        write_bars(session, [bar("A", 0)], "massive", "sip")
    in_the_way = tmp_path / "tmp"
    in_the_way.write_text("")  # where a folder must be: what is written goes nowhere

    clock.now += SEGMENT_SECONDS
    upkeep.look(noon)
    until(lambda: service.state == "degraded")
    assert "live bars wait to be kept" in (service.detail or "")
    clock.now += 1
    upkeep.look(noon)  # old bars are looked through, which is no sign of room
    assert service.state == "degraded"
    in_the_way.unlink()
    clock.now += AGAIN_SECONDS
    until(lambda: upkeep.look(noon) or service.state == "ok")
    assert list((tmp_path / "live").rglob("*.parquet"))
    upkeep.stop()


def test_a_database_that_is_away_is_no_trouble_of_its_own_and_soon_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the feed would be called degraded for up to a minute after all is well again."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(module, "time", clock)
    engine = database_engine("postgresql+psycopg2://nobody@127.0.0.1:1/falcon")
    service = Service("falcon-test", engine)
    upkeep = Upkeep(service, engine, "replay", None, lambda _: 0, keep_sessions=5)

    def tries() -> int:
        return sum(RETIRE in line for line in caplog.messages)

    for number, seconds in enumerate((RETENTION_SECONDS, AGAIN_SECONDS), start=1):
        clock.now += seconds
        until(lambda number=number: upkeep.look(0) or tries() == number)
        assert service.state == "ok"
