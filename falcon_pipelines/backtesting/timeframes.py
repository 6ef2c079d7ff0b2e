"""Bars of a longer timeframe from minute bars, regular sessions only: nothing of a backtest happens outside them."""

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.errors import InputError

MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60}


class WrongTimeframe(InputError):
    """The bars are longer than the strategy's timeframe."""


def at_timeframe(panel: Panel, timeframe: str) -> Panel:
    """The panel in bars of `timeframe` ("day", "1m", "5m", "15m", "30m", "1h").

    Minute bars are those of regular XNYS sessions, early closes included, counted from the opening; a bar holds
    what its minutes hold and is absent where none is. Day bars made of minutes start at midnight New York. Raises
    WrongTimeframe for day bars where shorter ones are needed.
    """
    if panel.frequency == "day":
        if timeframe != "day":
            raise WrongTimeframe(
                f"the strategy trades {timeframe} bars, these are day bars; give minute bars"
            )
        return panel
    if len(panel) == 0:
        return panel
    starts, inside = _bar_starts(panel.timestamps, timeframe)
    rows = np.flatnonzero(inside)
    times, first = np.unique(starts[rows], return_index=True)
    if timeframe == "1m" and len(times) == len(panel):
        return panel
    fields = {name: values[rows] for name, values in panel.fields.items()}
    return Panel(
        timestamps=times,
        tickers=panel.tickers,
        fields=_grouped(fields, first),
        frequency="day" if timeframe == "day" else "minute",
        version=panel.version,
        adjust=panel.adjust,
        as_of=panel.as_of,
        synthetic=panel.synthetic,
    )


def _bar_starts(
    timestamps: NDArray[np.datetime64], timeframe: str
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Where the bar of each minute starts, and whether the minute lies in a regular session. (T,) each."""
    from falcon_pipelines.bars.calendar import is_session, midnight, session_open_close
    from falcon_pipelines.strategies.sessions import session_days

    days = session_days(timestamps)
    starts = timestamps.copy()
    inside = np.zeros(len(timestamps), dtype=bool)
    minute = np.timedelta64(1, "m")
    for day in np.unique(days):
        session = np.datetime64(int(day), "D").item()
        if not is_session(session):
            continue
        opens, closes = (
            np.datetime64(when.replace(tzinfo=None), "ns") for when in session_open_close(session)
        )
        begin, end = np.searchsorted(timestamps, [opens, closes])
        inside[begin:end] = True
        if timeframe == "day":
            starts[begin:end] = np.datetime64(midnight(session).replace(tzinfo=None), "ns")
        else:
            length = MINUTES[timeframe] * minute
            starts[begin:end] = opens + (timestamps[begin:end] - opens) // length * length
    return starts, inside


def _grouped(
    fields: dict[str, NDArray[np.float64]], first: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    """Rows of each group, which begin at `first`, as one bar; NaN where a ticker has no row in it."""
    if not len(first):
        return {name: values[:0] for name, values in fields.items()}
    columns = fields["close"].shape[1]
    present = ~np.isnan(fields["close"])
    index = np.arange(len(present))[:, None]
    earliest = np.minimum.reduceat(np.where(present, index, len(present)), first, axis=0)
    latest = np.maximum.reduceat(np.where(present, index, -1), first, axis=0)
    absent = latest < 0
    column = np.arange(columns)
    grouped = {
        "open": fields["open"][np.minimum(earliest, len(present) - 1), column],
        "high": np.fmax.reduceat(fields["high"], first, axis=0),
        "low": np.fmin.reduceat(fields["low"], first, axis=0),
        "close": fields["close"][np.maximum(latest, 0), column],
        "volume": np.add.reduceat(np.nan_to_num(fields["volume"]), first, axis=0),
    }
    return {name: np.where(absent, np.nan, values) for name, values in grouped.items()}
