"""Power cuts: everything comes back by itself, nothing that was committed is lost, and the work is done as if uncut."""

import time
from collections.abc import Callable
from datetime import date

import pytest

from falcon_pipelines.db.engine import database_engine
from tests.cluster.conftest import POWER_CUTS, Effort
from tests.cluster.mirror import LaterMinutes
from tests.cluster.recovery import dagster_back, nothing_lost, pages_back, trading_back
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
UI_SECONDS = 30
TICK_SECONDS = 90
# Found dead, ended, and done once more: what run monitoring takes for it.
DONE_SECONDS = 300
OFF_SECONDS = 2
CUTS = [("web",), ("compute",), ("db",), ("web", "compute", "db")]


def after_the_cut(
    road: Road, later: LaterMinutes, names: tuple[str, ...], run: str, sessions: list[date]
) -> str:
    """Wait until the work of the run that was cut is done, and say who did it; a person starts it again if nobody does."""
    if road.end_of(run, DONE_SECONDS) == "SUCCESS":
        return "finished"
    # With its machine gone Dagster runs it again; where it could still say itself that the database was gone, a person does.
    by_itself = road.tags(run).get("dagster/will_retry") == "true"
    assert by_itself or names == ("db",), f"nobody runs {run} again"
    if not by_itself:
        assert road.end_of(road.ingest(sessions[0], sessions[-1], "minute"), DONE_SECONDS) == "SUCCESS"
    later.all_stored(sessions, DONE_SECONDS)
    return "run again by itself" if by_itself else "FAILED, done when started again"


@pytest.mark.parametrize("names", CUTS, ids="+".join)
def test_power_cut_in_mid_run(
    road: Road, tell: Tell, effort: Effort, later: LaterMinutes, database_url: str, names: tuple[str, ...]
) -> None:
    bed, engine = road.bed, database_engine(database_url)
    for _ in range(effort.times(POWER_CUTS, 1)):
        sessions = later.chunk()
        with nothing_lost(road):
            run = road.ingest(sessions[0], sessions[-1], "minute")
            later.under_way(sessions)
            bed.cut_power(*names)
            time.sleep(OFF_SECONDS)
            on, on_at = time.monotonic(), time.time()
            for name in names:
                bed.start(name, wait=False)
            pages_back(road, UI_SECONDS)
            pages = time.monotonic() - on
            wait_until(lambda since=on_at: road.ticks_since(since), TICK_SECONDS, "the daemon ticks")  # type: ignore[misc]
            tick = time.monotonic() - on
            dagster_back(road, TICK_SECONDS)
            trading_back(road, TICK_SECONDS)
            how = after_the_cut(road, later, names, run, sessions)
            done = time.monotonic() - on
        assert pages <= UI_SECONDS
        assert tick <= TICK_SECONDS
        later.require_identical(sessions, engine)
        seen = f"pages {pages:.0f} s, tick {tick:.0f} s, its run {how} after {done:.0f} s, identical Parquet"
        tell(f"power cut of {', '.join(names)} in mid-run", seen, pages)
    engine.dispose()
