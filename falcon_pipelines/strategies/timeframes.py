"""Bars of one timeframe from bars of a finer one, and when each of the coarser bars is complete.

A coarser bar is complete at the close of the finer bar that ends it by the clock and the XNYS calendar (an
hour at its last minute, a day at its close, a week or month at the close of its last session), or, where that
bar is missing, once a later one appears. What is not complete is never used.
"""

from datetime import date, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars import calendar
from falcon_pipelines.bars.panel import FIELDS, Panel
from falcon_pipelines.errors import InputError
from falcon_pipelines.strategies.sessions import (
    are_sessions,
    close_minutes,
    minutes_from_open,
    new_york,
    session_days,
    sessions_between,
)

MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60}
_EPOCH = date(1970, 1, 1)
_REDUCTIONS = {"high": np.fmax, "low": np.fmin, "volume": np.add}


class WrongBars(InputError):
    """The bars at hand cannot give those of the strategy's timeframe."""


def at_timeframe(panel: Panel, timeframe: str) -> Panel:
    """The panel in bars of a strategy's timeframe, regular sessions only, without a last bar that is not over
    yet.

    Intraday bars start at 09:30 New York and every `timeframe` after it; a day bar at midnight New York.
    Raises WrongBars where the panel's bars are coarser than that.
    """
    if panel.frequency == "day":
        if timeframe != "day":
            raise WrongBars(f"the strategy needs {timeframe} bars, these are day bars; give it minute bars")
        return panel
    minutes, days = minutes_from_open(panel.timestamps), session_days(panel.timestamps)
    regular = (minutes >= 0) & (minutes < close_minutes(days)) & are_sessions(days)
    if not regular.all():
        panel = _select(panel, regular)
        minutes, days = minutes[regular], days[regular]
    if len(panel) == 0:
        raise WrongBars("no bar lies in a regular session (09:30 to 16:00 New York)")
    step = _bar_minutes(panel)
    if timeframe != "day" and step > MINUTES[timeframe]:
        raise WrongBars(
            f"the strategy needs {timeframe} bars, these are {step} minutes apart; give it finer bars"
        )
    if timeframe != "day" and step == MINUTES[timeframe] and not (minutes % step).any():
        return panel
    buckets, complete = _buckets(days, minutes, step, timeframe)
    coarse, last_rows = _aggregated(panel, buckets)
    local = new_york(panel.timestamps)
    starts = local.astype("datetime64[D]").astype("datetime64[m]")
    if timeframe != "day":
        starts = starts + (570 + minutes // MINUTES[timeframe] * MINUTES[timeframe]).astype("timedelta64[m]")
    utc = panel.timestamps.astype("datetime64[m]") + (starts - local)
    first_rows = np.r_[0, last_rows[:-1] + 1]
    whole = len(last_rows) if complete[-1] else len(last_rows) - 1
    result = Panel(
        timestamps=_midnights(days[first_rows])
        if timeframe == "day"
        else utc[first_rows].astype("datetime64[ns]"),
        tickers=panel.tickers,
        fields=coarse,
        frequency="day" if timeframe == "day" else "minute",
        version=panel.version,
        adjust=panel.adjust,
        as_of=panel.as_of,
        synthetic=panel.synthetic,
    )
    return result.rows(0, whole)


def check_timeframe(panel: Panel, timeframe: str) -> None:
    """Raises WrongBars unless the panel's bars are of the timeframe, as `at_timeframe` returns them."""
    if (panel.frequency == "day") != (timeframe == "day"):
        raise WrongBars(
            f"the strategy is on {timeframe} bars, these are {panel.frequency} bars; use at_timeframe"
        )
    if timeframe != "day" and len(panel) > 1 and _bar_minutes(panel) < MINUTES[timeframe]:
        raise WrongBars(f"the strategy is on {timeframe} bars, these are finer; use at_timeframe")


def coarser(panel: Panel, base: str, target: str) -> tuple[Panel, NDArray[np.int64]]:
    """All bars of the target timeframe, and for each row of `panel` the index of the last complete one (-1:
    none).

    `panel` has bars of timeframe `base`. The coarser panel's last bar may be incomplete; no row points to it
    then.
    """
    days = session_days(panel.timestamps)
    minutes = minutes_from_open(panel.timestamps)
    buckets, complete = _buckets(days, minutes, MINUTES.get(base, 0), target)
    coarse, last_rows = _aggregated(panel, buckets)
    index = np.repeat(np.arange(len(last_rows)), np.diff(np.r_[-1, last_rows]))
    result = Panel(
        timestamps=panel.timestamps[np.r_[0, last_rows[:-1] + 1]] if len(panel) else panel.timestamps,
        tickers=panel.tickers,
        fields=coarse,
        frequency="minute" if target in MINUTES else "day",
        version=panel.version,
        adjust=panel.adjust,
        as_of=panel.as_of,
        synthetic=panel.synthetic,
    )
    return result, np.where(complete, index, index - 1)


def _select(panel: Panel, rows: NDArray[np.bool_]) -> Panel:
    return Panel(
        timestamps=panel.timestamps[rows],
        tickers=panel.tickers,
        fields={name: panel[name][rows] for name in FIELDS},
        frequency=panel.frequency,
        version=panel.version,
        adjust=panel.adjust,
        as_of=panel.as_of,
        synthetic=panel.synthetic,
    )


def _bar_minutes(panel: Panel) -> int:
    """The smallest distance between bars, in minutes; 1 where there is only one bar."""
    if len(panel) < 2:
        return 1
    return max(int(np.diff(panel.timestamps).min() / np.timedelta64(1, "m")), 1)


def _buckets(
    days: NDArray[np.int64], minutes: NDArray[np.int64], bar_minutes: int, target: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The number of the coarser bar each row belongs to, and whether the row's close completes that bar.

    `bar_minutes` is 0 for day bars. A row after a completed bar starts a new one even in the same hour or
    week: the calendar may be wrong about what is last, and what was seen as complete must never change.
    """
    ends = minutes + bar_minutes
    complete = ends >= close_minutes(days) if bar_minutes else np.ones(len(days), dtype=bool)
    if target in MINUTES:
        slots = minutes // MINUTES[target]
        periods = days * 1_440 + slots
        complete = complete | (ends >= (slots + 1) * MINUTES[target])
    elif target == "day":
        periods = days
    else:
        known, where = np.unique(days, return_inverse=True)
        periods = np.array([_period(int(day), target) for day in known], dtype=np.int64)[where]
        complete = complete & np.array([_is_last(int(day), target) for day in known], dtype=bool)[where]
    begins = np.ones(len(days), dtype=np.int64)
    begins[1:] = (periods[1:] != periods[:-1]) | complete[:-1]
    return np.cumsum(begins), complete


@cache
def _is_last(day: int, target: str) -> bool:
    """Whether no session of the same week or month comes after that date."""
    this = _EPOCH + timedelta(days=day)
    following = sessions_between(this + timedelta(days=1), this + timedelta(days=14))[0]
    return _period((following - _EPOCH).days, target) != _period(day, target)


def _period(day: int, target: str) -> int:
    if target == "week":
        return (day + 3) // 7
    this = _EPOCH + timedelta(days=day)
    return this.year * 12 + this.month


def _aggregated(
    panel: Panel, buckets: NDArray[np.int64]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Open, high, low, close and volume of each bucket (NaN where a ticker has no bar in it), and its last
    row."""
    starts = (
        np.flatnonzero(np.r_[True, buckets[1:] != buckets[:-1]]) if len(buckets) else np.empty(0, np.int64)
    )
    last_rows = np.r_[starts[1:], len(buckets)] - 1 if len(buckets) else starts
    if not len(buckets):
        return {name: panel[name] for name in FIELDS}, last_rows
    present = np.isfinite(panel["close"])
    fields = {}
    for name in FIELDS:
        values = np.where(present, panel[name], np.nan)
        if name == "open":
            fields[name] = _first_known(values, starts, last_rows)
        elif name == "close":
            fields[name] = _first_known(
                values[::-1], len(values) - 1 - last_rows[::-1], len(values) - 1 - starts[::-1]
            )
            fields[name] = fields[name][::-1]
        else:
            filled = np.where(present, values, 0.0) if name == "volume" else values
            fields[name] = _REDUCTIONS[name].reduceat(filled, starts, axis=0)
    traded = np.logical_or.reduceat(present, starts, axis=0)
    return {name: np.where(traded, values, np.nan) for name, values in fields.items()}, last_rows


def _first_known(
    values: NDArray[np.float64], starts: NDArray[np.int64], last_rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The first finite value of each bucket and column."""
    rows = np.arange(len(values))[:, None]
    following = np.where(np.isfinite(values), rows, len(values))
    following = np.minimum.accumulate(following[::-1], axis=0)[::-1][starts]
    found = np.take_along_axis(values, np.minimum(following, len(values) - 1), axis=0)
    result: NDArray[np.float64] = np.where(following <= last_rows[:, None], found, np.nan)
    return result


def _midnights(days: NDArray[np.int64]) -> NDArray[np.datetime64]:
    moments = [calendar.midnight(_EPOCH + timedelta(days=int(day))) for day in days]
    return np.array([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[ns]")
