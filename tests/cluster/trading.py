"""A market that trades on the bed: minutes replayed through the feed, candidates bought, positions with stops."""

from tests.cluster.books import fills
from tests.cluster.recovery import trading_back
from tests.cluster.road import FEED, Road
from tests.cluster.waiting import wait_until


def start_trading(road: Road) -> None:
    """Bars, a screen, and a replay of the sessions after it; returns when there are fills. Nothing where they trade."""
    if not road.bed.compute.says("grep -q FALCON_FEED=replay /etc/falcon/secrets.env"):
        days, minutes = road.market.sessions, road.market.minute_sessions
        for span, frequency in ((days, "day"), (minutes, "minute")):
            ended = road.end_of(road.ingest(span[0], span[-1], frequency), 300)
            assert ended == "SUCCESS", f"{frequency} bars ended in {ended}"
        assert f"picks of {days[-1]}" in road.screen(days[-1])
        env = road.site.state / "compute.env"
        env.write_text(env.read_text() + "".join(f"{name}={value}\n" for name, value in FEED.items()))
        said = road.site.operator("secrets", "compute")
        assert said.code == 0, said.text[-2000:]
    trading_back(road, 120)
    wait_until(lambda: fills(road.bed) > 0, 180, "candidates are bought", every=2)
