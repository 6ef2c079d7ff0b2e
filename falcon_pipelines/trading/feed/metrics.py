"""What the feed counts, for Prometheus and for its row in the database."""

from collections import Counter

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client import Counter as Total

from falcon_pipelines.trading.feed.table import Written


class Metrics:
    """Counts since the service started."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._totals: Counter[str] = Counter()
        self._bars = Total("falcon_feed_bars", "Bars by what became of them", ["outcome"], registry=registry)
        self._events = Total("falcon_feed_events", "Things that happened", ["event"], registry=registry)
        self.waiting = Gauge("falcon_feed_waiting_bars", "Bars in memory", registry=registry)
        self.symbols = Gauge("falcon_feed_symbols", "Tickers watched", registry=registry)
        self.last_bar = Gauge("falcon_feed_last_bar_seconds", "Start of the newest bar", registry=registry)
        self.batch = Histogram("falcon_feed_batch_seconds", "One batch into the database", registry=registry)

    def wrote(self, result: Written) -> None:
        """A batch is in the table."""
        self._count_bars("written", result.inserted - result.corrected)
        self._count_bars("corrected", result.corrected)
        self._count_bars("known", result.known)

    def refused(self, reason: str, count: int) -> None:
        """Bars that cannot be matched."""
        self._count_bars(f"refused: {reason}", count)

    def dropped(self, count: int) -> None:
        """Tickers with bars for which there was no room."""
        self._count_bars("dropped tickers", count)

    def happened(self, event: str, count: int = 1) -> None:
        """A connection, a loss, a complaint, a back-fill, an unreadable message."""
        if count:
            self._totals[event] += count
            self._events.labels(event).inc(count)

    def totals(self) -> dict[str, int]:
        """Everything counted so far."""
        return dict(sorted(self._totals.items()))

    def _count_bars(self, outcome: str, count: int) -> None:
        if count:
            self._totals[outcome] += count
            self._bars.labels(outcome).inc(count)
