"""The whole road over three nodes: asked for through nginx, run on compute, seen on web."""

import time
from collections.abc import Callable
from datetime import date

import pytest

from tests.cluster.books import books_balance, fills
from tests.cluster.recovery import trading_state
from tests.cluster.road import MINUTE_SESSIONS, SESSIONS, Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
FAST, SLOW = 600, 20
"""Market seconds a second: a session in 39 s, and one in twenty minutes, which later tests find under way."""


@pytest.fixture(scope="module")
def days(road: Road) -> tuple[date, ...]:
    """Sessions with day bars at the source."""
    return road.market.sessions


def test_a_feed_that_replays_waits_for_the_first_stored_minutes_and_says_so(road: Road) -> None:
    compute = road.bed.compute
    if int(road.bed.db.psql("SELECT count(*) FROM manifest WHERE frequency = 'minute'")):
        pytest.skip("the store of --keep-bed has minutes")
    road.replay(FAST)
    wait_until(lambda: trading_state(road) == {"ok", "degraded"}, 60, "the feed waits")
    assert compute.says("systemctl is-active --quiet falcon-feed")
    assert "no stored minutes" in compute.console("curl -s http://127.0.0.1:9471/healthz")
    said = road.site.operator("deploy", "compute")
    assert said.code == 0, said.text[-2000:]


def test_an_asset_asked_for_through_nginx_is_made_on_compute(
    road: Road, days: tuple[date, ...], tell: Tell
) -> None:
    began = time.monotonic()
    run = road.ingest(days[0], days[-1])
    assert road.end_of(run, 300) == "SUCCESS", road.logs(run)[-5:]
    stored = road.bed.compute.console("find /var/lib/falcon/market_data -name '*.parquet' | wc -l")
    assert int(stored) >= SESSIONS
    logs = road.logs(run)
    assert any(f"{SESSIONS} sessions" in line for line in logs), logs[-5:]
    seconds = time.monotonic() - began
    tell("materialised through nginx", f"{SESSIONS} sessions on compute, logs on web", seconds)


def test_a_screen_asked_for_in_the_dashboard_and_a_replay_move_its_numbers(
    road: Road, days: tuple[date, ...], tell: Tell
) -> None:
    """What was picked at the last close is bought in the first minutes that are replayed, and web shows it."""
    assert f"picks of {days[-1]}" in road.screen(days[-1])
    minutes = road.market.minute_sessions
    assert len(minutes) == MINUTE_SESSIONS
    run = road.ingest(minutes[0], minutes[-1], "minute")
    assert road.end_of(run, 300) == "SUCCESS", road.logs(run)[-5:]
    began = time.monotonic()
    road.replay(FAST)
    wait_until(lambda: fills(road.bed), 180, "candidates are bought")
    wait_until(road.equity_moves, 60, "the dashboard's numbers move")
    seconds = time.monotonic() - began
    shown = road.site.olga.get("/api/v1/fills").json()["items"]
    assert shown
    assert shown[0]["ticker"] in road.page("/trading").body
    assert "ok" in trading_state(road)
    road.replay(SLOW)
    assert books_balance(road)
    tell("replayed through feed and trader", f"{fills(road.bed)} fills, seen in the dashboard", seconds)
