"""What the trader measures for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from falcon_pipelines.trading.account import Outcome


class Metrics:
    """Counters and gauges of one trader."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bars = Counter("falcon_trader_bars", "Live bars worked through", registry=registry)
        self.fills = Counter("falcon_trader_fills", "Fills made", ["account"], registry=registry)
        self.refused = Counter("falcon_trader_refused", "Orders refused", ["account"], registry=registry)
        self.skipped = Counter("falcon_trader_skipped", "Candidates not bought", ["rule"], registry=registry)
        self.delay = Histogram(
            "falcon_trader_delay_seconds",
            "From a bar's arrival in the table to the commit of what it did",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600),
            registry=registry,
        )
        self.equity = Gauge("falcon_trader_equity_dollars", "Equity", ["account"], registry=registry)
        self.positions = Gauge("falcon_trader_positions", "Tickers held", ["account"], registry=registry)
        self.stale = Gauge(
            "falcon_trader_stale_positions", "Held tickers without a bar for long", registry=registry
        )
        self.halts = Gauge("falcon_trader_halts", "Halts in force", ["account"], registry=registry)

    def measure(self, account: str, outcome: Outcome) -> None:
        """Take what one bar did to an account."""
        self.fills.labels(account).inc(len(outcome.fills))
        self.refused.labels(account).inc(len(outcome.rejections))
        self.equity.labels(account).set(float(outcome.state.equity))
        self.positions.labels(account).set(len(outcome.state.books.lots))
        self.halts.labels(account).set(len(outcome.state.halts))
