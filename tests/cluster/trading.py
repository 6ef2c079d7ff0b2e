"""A market that trades on the bed: minutes replayed through the feed, candidates bought, positions with stops."""

from tests.cluster.books import fills
from tests.cluster.recovery import trading_back
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

SPEED = 20
"""Market seconds a second: a session lasts twenty minutes."""


def start_trading(road: Road) -> None:
    """Bars, a screen, and a replay of the sessions after it; returns when there are fills. Nothing where they trade."""
    if not fills(road.bed):
        days, minutes = road.market.sessions, road.market.minute_sessions
        for span, frequency in ((days, "day"), (minutes, "minute")):
            ended = road.end_of(road.ingest(span[0], span[-1], frequency), 300)
            assert ended == "SUCCESS", f"{frequency} bars ended in {ended}"
        assert f"picks of {days[-1]}" in road.screen(days[-1])
        road.replay(SPEED)
    trading_back(road, 120)
    wait_until(lambda: fills(road.bed), 300, "candidates are bought", every=2)
