"""Panels of made-up bars for the tests of trading."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np

from falcon_pipelines.bars.calendar import midnight, session_open_close, sessions_from
from falcon_pipelines.bars.panel import FIELDS, Panel

Row = Sequence[float] | None
"""Open, high, low, close and, if not 10 million, volume; None for no bar."""

MONDAY = date(2026, 11, 2)


def panel(rows: Mapping[str, Sequence[Row]], timestamps: Sequence[datetime], frequency: str = "day") -> Panel:
    tickers = tuple(rows)
    values = np.full((len(FIELDS), len(timestamps), len(tickers)), np.nan)
    for column, ticker in enumerate(tickers):
        for bar, row in enumerate(rows[ticker]):
            if row is not None:
                values[:, bar, column] = [*row, *([1e7] * (5 - len(row)))]
    stamps = np.array([time.astimezone(UTC).replace(tzinfo=None) for time in timestamps], "datetime64[ns]")
    return Panel(stamps, tickers, dict(zip(FIELDS, values, strict=True)), frequency, "test")  # type: ignore[arg-type]


def days(rows: Mapping[str, Sequence[Row]] | Sequence[Row], start: date = MONDAY) -> Panel:
    """Day bars on consecutive sessions from `start`; a bare sequence is of ticker X."""
    by_ticker = rows if isinstance(rows, Mapping) else {"X": rows}
    count = max(len(bars) for bars in by_ticker.values())
    return panel(by_ticker, [midnight(day) for day in sessions_from(start, count)])


def minutes(rows: Sequence[Row], session: date = MONDAY, first: int = 0) -> Panel:
    """Minute bars of ticker X from `first` minutes after that session's open."""
    opens, _ = session_open_close(session)
    return panel({"X": rows}, [opens + timedelta(minutes=first + i) for i in range(len(rows))], "minute")


def flat(price: float) -> tuple[float, float, float, float]:
    """A bar that does not move."""
    return (price, price, price, price)
