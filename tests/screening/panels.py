"""Small hand-made panels."""

from datetime import date

import numpy as np

from falcon_pipelines.bars.panel import Panel


def day_panel(
    closes: dict[str, list[float]], *, volume: float = 1e6, first: date = date(2024, 1, 2)
) -> Panel:
    """Day bars with the given closes, half a dollar of range around each, on consecutive calendar days."""
    close = np.column_stack([np.asarray(values, dtype=float) for values in closes.values()])
    length = len(close)
    start = np.datetime64(first.isoformat(), "ns") + np.timedelta64(5, "h")
    return Panel(
        timestamps=start + np.arange(length) * np.timedelta64(1, "D"),
        tickers=tuple(closes),
        fields={
            "open": close.copy(),
            "high": close + 0.5,
            "low": close - 0.5,
            "close": close,
            "volume": np.where(np.isfinite(close), volume, np.nan),
        },
        frequency="day",
        version="test",
    )
