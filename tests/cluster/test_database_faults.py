"""The database is stopped, hangs, or has no room left; and compute's disk has none."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.conftest import Effort
from tests.cluster.recovery import (
    PAGE_SECONDS,
    POSTGRESQL,
    dagster_back,
    keeps_working,
    no_service_restarted,
    nothing_lost,
    pages_back,
    trading_back,
    watch_pages,
)
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]


@pytest.fixture(autouse=True)
def undone(road: Road) -> Iterator[None]:
    """Whatever a failed test leaves behind is put right for the next."""
    yield
    road.bed.db.thaw()
    for node in (road.bed.db, road.bed.compute):
        node.free_disk()
    road.bed.db.console(f"systemctl start {POSTGRESQL}", check=False)


@pytest.mark.parametrize(
    ("seconds", "with_run"), [(45, False), (120, True)], ids=["45s", "120s-run-ends-inside"]
)
def test_postgresql_stopped(road: Road, tell: Tell, effort: Effort, seconds: int, with_run: bool) -> None:
    """Watched for one minute afterwards; for 15 with --thorough."""
    days = road.market.sessions
    with no_service_restarted(road), nothing_lost(road):
        if with_run:
            run = road.ingest(days[0], days[-1])
            road.began(run)
        road.bed.db.console(f"systemctl stop {POSTGRESQL}")
        seen = watch_pages(road, seconds)
        road.bed.db.console(f"systemctl start {POSTGRESQL}")
        back = pages_back(road, 10)
        trading_back(road, 15)
        keeps_working(road, effort.times(900, 60))
    assert seen.refused == []
    assert seen.slowest <= PAGE_SECONDS
    assert seen.stale == seen.looks
    tell(f"PostgreSQL stopped {seconds} s", str(seen), back)


def test_database_disk_full(road: Road, tell: Tell) -> None:
    """Writes fail until there is room; then everything goes on without a hand."""
    with nothing_lost(road):
        road.bed.db.fill_disk()
        # Whoever writes notices: PostgreSQL ends and is started again until there is room.
        road.bed.db.console(
            "runuser -u postgres -- psql -c 'CHECKPOINT; SELECT pg_switch_wal()' || true", check=False
        )
        time.sleep(20)
        status = road.site.operator("status", "db")
        assert status.code == 1
        assert "full" in status.out
        road.bed.db.free_disk()
        back = pages_back(road, 60)
        dagster_back(road, 60)
    tell("db disk full, then freed", "status says it is full, exit code 1", back)


def test_bars_disk_full(road: Road, tell: Tell) -> None:
    """The run fails and says why, nothing half-written is read, and once there is room the same run succeeds."""
    minutes = road.market.minute_sessions
    before = parquet(road)
    road.bed.compute.fill_disk()
    run = road.ingest(road.market.sessions[0], road.market.sessions[-1], **{"falcon/files": "again"})
    ended = road.end_of(run, 120)
    filled = road.launch("compute_features", {"dagster/partition": road.market.sessions[-2].isoformat()})
    failed = road.end_of(filled, 120)
    assert failed == "FAILURE"
    assert any("No space left" in line for line in road.logs(filled)), road.logs(filled)[-5:]
    status = road.site.operator("status", "compute")
    assert status.code == 1
    assert "full" in status.out
    assert ended in ("SUCCESS", "FAILURE")
    assert {name: before[name] for name in before} == {name: parquet(road).get(name) for name in before}
    assert minutes
    road.bed.compute.free_disk()
    started = time.monotonic()
    wait_until(
        lambda: (
            road.end_of(
                road.launch("compute_features", {"dagster/partition": road.market.sessions[-2].isoformat()})
            )
            == "SUCCESS"
        ),
        60,
        "the same run succeeds",
    )
    tell(
        "bars disk full, then freed",
        "run FAILED with 'No space left', old files whole",
        time.monotonic() - started,
    )


def test_database_frozen(road: Road, tell: Tell) -> None:
    """The node hangs with its sockets open: nobody waits for it for ever."""
    with no_service_restarted(road), nothing_lost(road):
        road.bed.db.freeze()
        seen = watch_pages(road, 60)
        road.bed.db.thaw()
        back = pages_back(road, 10)
        trading_back(road, 15)
    assert seen.refused == []
    assert seen.slowest <= PAGE_SECONDS
    tell("db frozen 60 s", str(seen), back)


def parquet(road: Road) -> dict[str, str]:
    """The hash of every bar file on compute, by name."""
    shown = road.bed.compute.console(
        "cd /var/lib/falcon/market_data && find . -name '*.parquet' -exec sha256sum {} +"
    )
    return {name: digest for digest, name in (line.split() for line in shown.splitlines())}
