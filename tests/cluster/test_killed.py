"""kill -9 of every process: back within 30 s, and nothing doubled or lost."""

import time
from collections.abc import Callable

import pytest

from tests.cluster.recovery import POSTGRESQL, dagster_back, nothing_lost, pages_back, trading_back, unit_back
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
BACK_SECONDS = 30
VICTIMS = [
    ("compute", "falcon-code-server.service"),
    ("compute", "falcon-trader.service"),
    ("compute", "falcon-feed.service"),
    ("compute", "falcon-tunnel.service"),
    ("web", "falcon-dagster-daemon.service"),
    ("web", "falcon-dagster-web.service"),
    ("web", "falcon-dashboard.service"),
    ("web", "falcon-tunnel.service"),
    ("web", "nginx.service"),
    ("db", POSTGRESQL),
]


@pytest.mark.parametrize(("name", "unit"), VICTIMS, ids=lambda value: value.removesuffix(".service"))
def test_killed(road: Road, tell: Tell, name: str, unit: str) -> None:
    node = road.bed.nodes[name]
    started = time.monotonic()
    with nothing_lost(road):
        pid = node.main_pid(unit)
        assert pid
        started = time.monotonic()
        node.console(f"kill -9 {pid}")
        unit_back(node, unit, pid, BACK_SECONDS)
        pages_back(road, BACK_SECONDS)
        if "trader" in unit or "feed" in unit or name == "db":
            trading_back(road, BACK_SECONDS)
        back = time.monotonic() - started
        dagster_back(road, 60)
    assert back <= BACK_SECONDS
    tell(f"kill -9 {unit.removesuffix('.service')}", "back by itself, books balance", back)


def test_run_worker_killed(road: Road, tell: Tell) -> None:
    """The run ends as FAILED and is run again once, or finishes; it is not left STARTED."""
    days = road.market.sessions
    with nothing_lost(road):
        run = road.ingest(days[0], days[-1])
        road.began(run)
        worker = wait_until_worker(road, run)
        started = time.monotonic()
        road.bed.compute.console(f"kill -9 {worker}")
        ended = road.end_of(run, 180)
        back = time.monotonic() - started
        assert ended in ("SUCCESS", "FAILURE")
    retried = road.bed.db.psql(
        f"SELECT count(*) FROM run_tags WHERE key = 'dagster/root_run_id' AND value = '{run}'", "dagster"
    )
    assert ended == "SUCCESS" or retried == "1"
    tell("kill -9 of a run worker", f"{ended}, tried again {retried} times", back)


def wait_until_worker(road: Road, run: str) -> int:
    """The process that works on a run."""
    command = f"pgrep -f '{run}' | head -1"
    wait_until(
        lambda: road.bed.compute.console(command, check=False).strip(),
        30,
        "a process works on the run",
        every=0.1,
    )
    return int(road.bed.compute.console(command).strip())
