"""The whole road over three nodes: asked for through nginx, run on compute, seen on web."""

from collections.abc import Callable
from datetime import date

import pytest

from tests.cluster.road import MINUTE_SESSIONS, SESSIONS, Road

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def days(road: Road) -> tuple[date, ...]:
    """Sessions with day bars at the source."""
    return road.market.sessions


def test_an_asset_asked_for_through_nginx_is_made_on_compute(
    road: Road, days: tuple[date, ...], tell: Callable[[str, str, float], None]
) -> None:
    run = road.ingest(days[0], days[-1])
    assert road.end_of(run, 300) == "SUCCESS", road.logs(run)[-5:]
    stored = road.bed.compute.console("find /var/lib/falcon/market_data -name '*.parquet' | wc -l")
    assert int(stored) >= SESSIONS
    logs = road.logs(run)
    assert any(f"{SESSIONS} sessions" in line for line in logs), logs[-5:]
    tell("materialised through nginx", f"{SESSIONS} sessions on compute, logs on web", 0)


def test_minutes_and_a_screen_asked_for_in_the_dashboard(road: Road, days: tuple[date, ...]) -> None:
    minutes = road.market.minute_sessions
    assert len(minutes) == MINUTE_SESSIONS
    run = road.ingest(minutes[0], minutes[-1], "minute")
    assert road.end_of(run, 300) == "SUCCESS", road.logs(run)[-5:]
    assert f"picks of {days[-1]}" in road.screen(days[-1])
