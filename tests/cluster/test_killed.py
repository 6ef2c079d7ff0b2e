"""kill -9 of every process: back within 30 s, no run stuck or run twice to its end, and no fill doubled or lost."""

import time
from collections.abc import Callable

import pytest

from tests.cluster.recovery import (
    POSTGRESQL,
    all_back,
    finished_or_retried,
    nothing_lost,
    unit_back,
)
from tests.cluster.road import Road

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
BACK_SECONDS = 30
RUN_SECONDS = 300
VICTIMS = [
    ("compute", "falcon-code-server.service"),
    ("compute", "falcon-tunnel.service"),
    ("compute", "falcon-trader.service"),
    ("compute", "falcon-feed.service"),
    ("compute", "redis-server.service"),
    ("web", "falcon-tunnel.service"),
    ("web", "falcon-dagster-daemon.service"),
    ("web", "falcon-dagster-web.service"),
    ("web", "falcon-dagster-view.service"),
    ("web", "falcon-dashboard.service"),
    ("web", "nginx.service"),
    ("db", POSTGRESQL),
]


def _kill(road: Road, name: str, unit: str) -> float:
    """Kill a unit's main process; in how many seconds it and everything else was back."""
    node = road.bed.nodes[name]
    pid = node.main_pid(unit)
    assert pid
    began = time.monotonic()
    node.console(f"kill -9 {pid}")
    unit_back(node, unit, pid, BACK_SECONDS)
    all_back(road, BACK_SECONDS - (time.monotonic() - began))
    return time.monotonic() - began


@pytest.mark.parametrize(("name", "unit"), VICTIMS, ids=lambda value: value.removesuffix(".service"))
def test_killed(trading: Road, tell: Tell, name: str, unit: str) -> None:
    with nothing_lost(trading):
        back = _kill(trading, name, unit)
    tell(f"kill -9 {unit.removesuffix('.service')} on {name}", "back by itself, books balance", back)


def _run_held_in_its_middle(road: Road) -> str:
    """A run on compute that is under way and stays so."""
    run = road.ingest_anew()
    road.began(run)
    road.bed.compute.console(f"kill -STOP {road.process_of(run)}")
    assert road.status(run) == "STARTED"
    return run


def test_process_of_a_run_killed(trading: Road, tell: Tell) -> None:
    with nothing_lost(trading):
        run = _run_held_in_its_middle(trading)
        began = time.monotonic()
        trading.bed.compute.console(f"kill -9 {trading.process_of(run)}")
        outcome = finished_or_retried(trading, run, RUN_SECONDS)
        back = time.monotonic() - began
    tell("kill -9 of a run's process", f"the run: {outcome}", back)


def test_worker_of_a_run_killed(trading: Road, tell: Tell) -> None:
    with nothing_lost(trading):
        run = _run_held_in_its_middle(trading)
        back = _kill(trading, "compute", "falcon-runs.service")
        outcome = finished_or_retried(trading, run, RUN_SECONDS)
        assert not trading.process_of(run)
    tell("kill -9 falcon-runs with a run under way", f"worker back; the run: {outcome}", back)


def test_code_server_killed_with_a_run_under_way(trading: Road, tell: Tell) -> None:
    with nothing_lost(trading):
        run = trading.ingest_anew(200)
        trading.began(run)
        back = _kill(trading, "compute", "falcon-code-server.service")
        assert finished_or_retried(trading, run, RUN_SECONDS) == "finished"
        assert trading.retries(run) == []
    tell("kill -9 falcon-code-server with a run under way", "the run went on and succeeded", back)
