"""Compiles the kernel into numba's cache on disk: `python -m falcon_pipelines.backtesting.warm_up`.

The first backtest after an installation waits for the compiler; this does the waiting beside other work.
"""

import numpy as np

from falcon_pipelines.backtesting.evidence import gather
from falcon_pipelines.bars.panel import FIELDS, Panel
from falcon_pipelines.strategies.spec import validate_spec

_BARS = 250
_SPEC = {
    "spec_version": 1,
    "name": "warm_up",
    "params": {"bars": {"value": 3, "values": [3, 5]}},
    "indicators": [{"id": "average", "fn": "sma", "params": {"period": "$bars"}}],
    "entry": {"long": {"crosses_above": ["close", "average"]}},
    "exit": {"signal": {"crosses_below": ["close", "average"]}},
    "sizing": {"percent_of_equity": 10},
}


def warm_up() -> None:
    """Gather the evidence of a small strategy on made-up bars, which compiles everything a verdict needs."""
    steps = np.random.default_rng(0).normal(0, 0.02, (_BARS, 2))
    close = 50 * np.exp(np.cumsum(steps, axis=0))
    panel = Panel(
        timestamps=np.datetime64("2024-01-02T05:00", "ns") + np.arange(_BARS) * np.timedelta64(1, "D"),
        tickers=("A", "B"),
        fields={name: np.full_like(close, 1e6) if name == "volume" else close for name in FIELDS},
        frequency="day",
        version="made-up",
        synthetic=True,
    )
    gather(validate_spec(_SPEC), panel)


if __name__ == "__main__":
    warm_up()
