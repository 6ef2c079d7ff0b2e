"""Made-up minutes of one session for every ticker: a path from the close before, with its volume over the day."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.flat_files import CSV_SCHEMA

_OUTSIDE_MINUTES = 5
_SILENT = 0.02
"""Share of the minutes in which a ticker is not traded."""


@dataclass(frozen=True)
class Day:
    """Where a session starts from, by ticker: the close before in dollars, a day's shares, a day's volatility."""

    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    volatility: NDArray[np.float64]


def minute_rows(
    rng: np.random.Generator, session: date, names: tuple[str, ...], before: Day, market: str
) -> tuple[pl.DataFrame, Day]:
    """The session's bars with CSV_SCHEMA, by ticker and time, and where the next session starts from.

    `market` also trades some minutes before the open and after the close, as real tickers do.
    """
    opens, closes = (int(moment.timestamp()) for moment in session_open_close(session))
    minutes = (closes - opens) // 60
    count = len(names)
    sigma = before.volatility / np.sqrt(390.0)
    gaps = rng.normal(0.0, 0.15, count) * before.volatility
    steps = rng.normal(0.0, 1.0, (minutes, count)) * sigma
    close = np.maximum(np.round(before.close * np.exp(gaps + np.cumsum(steps, axis=0)), 2), 0.05)
    first = np.maximum(np.round(before.close * np.exp(gaps), 2), 0.05)
    open_ = np.vstack([first[None, :], close[:-1]])
    reach = np.abs(rng.normal(0.0, 0.5, (2, minutes, count))) * sigma
    high = np.maximum(np.round(np.maximum(open_, close) * (1 + reach[0]), 2), np.maximum(open_, close))
    low = np.minimum(np.round(np.minimum(open_, close) * (1 - reach[1]), 2), np.minimum(open_, close))
    shape = 1.0 + 2.5 * np.abs(np.linspace(-1.0, 1.0, minutes)) ** 3
    share = shape / shape.sum() * minutes / 390.0
    volume = np.maximum(
        1, np.round(before.volume * share[:, None] * rng.lognormal(0.0, 0.4, (minutes, count)))
    )
    traded = rng.random((minutes, count)) >= _SILENT
    traded[0], traded[-1] = True, True
    starts = opens + 60 * np.arange(minutes)
    rows, columns = np.nonzero(traded)
    table = _table(
        np.asarray(names)[columns],
        starts[rows],
        open_[rows, columns],
        high[rows, columns],
        low[rows, columns],
        close[rows, columns],
        volume[rows, columns],
    )
    column = names.index(market)
    outside = pl.concat(
        [
            _flat(market, opens - 60 * _OUTSIDE_MINUTES, float(first[column])),
            _flat(market, closes, float(close[-1, column])),
        ]
    )
    whole = pl.concat([table, outside]).sort("ticker", "window_start")
    return whole, replace(before, close=close[-1])


def _flat(ticker: str, start: int, price: float) -> pl.DataFrame:
    """Minutes outside the session at one price."""
    prices = np.full(_OUTSIDE_MINUTES, price)
    starts = start + 60 * np.arange(_OUTSIDE_MINUTES)
    return _table(
        np.full(_OUTSIDE_MINUTES, ticker),
        starts,
        prices,
        prices,
        prices,
        prices,
        np.full(_OUTSIDE_MINUTES, 100.0),
    )


def _table(
    tickers: NDArray[np.str_],
    starts: NDArray[np.int64],
    open_: NDArray[np.float64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    close: NDArray[np.float64],
    volume: NDArray[np.float64],
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "ticker": tickers.tolist(),
            "volume": volume.astype(np.int64),
            "open": open_,
            "close": close,
            "high": high,
            "low": low,
            "window_start": starts * 1_000_000_000,
            "transactions": (volume // 120).astype(np.int64) + 1,
        }
    ).select(*CSV_SCHEMA)
