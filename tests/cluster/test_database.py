"""PostgreSQL away for a while: pages say so at once, nothing is restarted, and afterwards everything goes on by itself."""

from collections.abc import Callable

import pytest

from tests.cluster.conftest import Effort
from tests.cluster.recovery import (
    PAGE_SECONDS,
    POSTGRESQL,
    all_back,
    finished_or_retried,
    keeps_working,
    no_service_restarted,
    nothing_lost,
    watch_pages,
)
from tests.cluster.road import Road

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
BACK_SECONDS = 60
WATCH_SECONDS = 15 * 60


def _without_database(road: Road, seconds: float) -> str:
    """Stop PostgreSQL for so long; what people saw, which must be every page at once, marked."""
    road.bed.db.console(f"systemctl stop {POSTGRESQL}", timeout=120)
    seen = watch_pages(road, seconds)
    road.bed.db.console(f"systemctl start {POSTGRESQL}", timeout=120)
    assert seen.refused == []
    assert seen.slowest <= PAGE_SECONDS
    assert seen.looks >= 3
    assert seen.stale == seen.looks
    return str(seen)


def test_stopped_for_45_seconds(trading: Road, tell: Tell) -> None:
    with nothing_lost(trading), no_service_restarted(trading):
        seen = _without_database(trading, 45)
        back = all_back(trading, BACK_SECONDS)
        # The first click after an outage works, too.
        first = trading.quick_run()
    tell("PostgreSQL stopped 45 s", f"{seen}; next run in {first:.0f} s, no service restarted", back)


def test_stopped_for_120_seconds_with_a_run_ending_inside(trading: Road, tell: Tell, effort: Effort) -> None:
    with nothing_lost(trading), no_service_restarted(trading):
        run = trading.ingest_anew()
        trading.began(run)
        seen = _without_database(trading, 120)
        assert not trading.process_of(run), "the run did not end inside the outage"
        back = all_back(trading, BACK_SECONDS)
        trading.no_run_stuck(300)
        outcome = finished_or_retried(trading, run, 300)
        keeps_working(trading, effort.times(WATCH_SECONDS, 30))
    tell("PostgreSQL stopped 120 s, run ending inside", f"{seen}; the run: {outcome}", back)
