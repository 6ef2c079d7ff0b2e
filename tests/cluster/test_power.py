"""The power goes: of one node, or of all at once. Whatever was committed is there afterwards."""

import time
from collections.abc import Callable

import pytest

from tests.cluster.conftest import Effort
from tests.cluster.recovery import dagster_back, nothing_lost, pages_back, trading_back
from tests.cluster.road import ENDED, Road
from tests.cluster.test_database_faults import parquet

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
UI_SECONDS = 30
TICK_SECONDS = 90


def tick_of_daemon(road: Road, since: float) -> bool:
    """Whether a sensor was evaluated after that moment (seconds since 1970)."""
    return (
        road.bed.db.psql(
            f"SELECT count(*) > 0 FROM job_ticks WHERE timestamp > to_timestamp({since})", "dagster"
        )
        == "t"
    )


def recovered(road: Road) -> tuple[float, float]:
    """Seconds until the UI answers and until the daemon ticks."""
    began, moment = time.monotonic(), time.time()
    pages_back(road, UI_SECONDS)
    ui = time.monotonic() - began
    while not tick_of_daemon(road, moment):
        assert time.monotonic() - began <= TICK_SECONDS, "no tick"
        time.sleep(1)
    tick = time.monotonic() - began
    dagster_back(road, TICK_SECONDS)
    trading_back(road, TICK_SECONDS)
    return ui, tick


@pytest.mark.parametrize("name", ["web", "db"])
def test_power_cut(road: Road, tell: Tell, name: str) -> None:
    with nothing_lost(road):
        road.bed.cut_power(name)
        time.sleep(5)
        road.bed.start(name, wait=False)
        ui, tick = recovered(road)
    tell(f"power cut of {name}", f"UI after {ui:.0f} s, tick after {tick:.0f} s", ui)


def test_power_cut_of_compute_in_mid_run(road: Road, tell: Tell) -> None:
    """The run does not stay STARTED, and running it again gives the same files to the byte."""
    days = road.market.sessions
    complete = parquet(road)
    with nothing_lost(road):
        # Without the derived files and half of the sessions there is something to do.
        run = road.ingest(days[0], days[-1])
        road.began(run)
        road.bed.cut_power("compute")
        time.sleep(5)
        road.bed.start("compute", wait=False)
        ui, tick = recovered(road)
        ended = road.end_of(run, 240)
        assert ended in ENDED
        assert road.end_of(road.ingest(days[0], days[-1]), 240) == "SUCCESS"
        assert parquet(road) == complete
    tell("power cut of compute in mid-run", f"run {ended}, tick after {tick:.0f} s, Parquet identical", ui)


def test_power_cut_of_all(road: Road, tell: Tell, effort: Effort) -> None:
    """Twice; ten times with --thorough."""
    for turn in range(effort.times(10, 2)):
        with nothing_lost(road):
            run = road.launch("prove_books")
            road.bed.cut_power("db", "compute", "web")
            time.sleep(2)
            for name in ("web", "compute", "db"):
                road.bed.start(name, wait=False)
            ui, tick = recovered(road)
            road.end_of(run, 300)
        tell(f"power cut of all three, {turn + 1}", f"UI after {ui:.0f} s, tick after {tick:.0f} s", ui)
