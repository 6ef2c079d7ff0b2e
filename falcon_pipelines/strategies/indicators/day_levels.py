"""Levels and clocks of the trading day: session VWAP, opening range, gap, the day before, pivots, month ends.

On day bars each bar is its own session. What the session brings later is never in a value.
"""

from datetime import date, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.strategies.indicators.base import (
    Column,
    Indicator,
    IndicatorParameter,
    Values,
    ratio,
)
from falcon_pipelines.strategies.numbers import Bounds
from falcon_pipelines.strategies.sessions import close_minutes, sessions_between

EPOCH = date(1970, 1, 1)


def _starts(bars: Column) -> NDArray[np.int64]:
    """Index of each session's first bar."""
    return np.flatnonzero(np.r_[True, bars.session[1:] != bars.session[:-1]])


def _spread(per_session: Values, starts: NDArray[np.int64], bars: Column) -> Values:
    """A value per session on each of its bars."""
    return np.repeat(per_session, np.diff(np.r_[starts, len(bars)]))


def _day_before(bars: Column) -> tuple[Values, ...]:
    """Open, high, low and close of the session before, on each bar."""
    starts = _starts(bars)
    last = np.r_[starts[1:], len(bars)] - 1
    sessions = (
        bars.open[starts],
        np.maximum.reduceat(bars.high, starts),
        np.minimum.reduceat(bars.low, starts),
        bars.close[last],
    )
    return tuple(_spread(np.r_[np.nan, values[:-1]], starts, bars) for values in sessions)


def _gap(bars: Column) -> tuple[Values, ...]:
    starts = _starts(bars)
    first_open = _spread(bars.open[starts], starts, bars)
    return (100 * (first_open / _day_before(bars)[3] - 1),)


def _pivot_points(bars: Column) -> tuple[Values, ...]:
    _, high, low, close = _day_before(bars)
    pivot = (high + low + close) / 3
    spread = high - low
    return (
        *(pivot, 2 * pivot - low, pivot + spread, high + 2 * (pivot - low)),
        *(2 * pivot - high, pivot - spread, low - 2 * (high - pivot)),
    )


def _vwap(bars: Column) -> tuple[Values, ...]:
    starts = _starts(bars)
    price = (bars.high + bars.low + bars.close) / 3
    return (ratio(_running_sum(price * bars.volume, starts, bars), _running_sum(bars.volume, starts, bars)),)


def _running_sum(values: Values, starts: NDArray[np.int64], bars: Column) -> Values:
    total = np.cumsum(values)
    return total - _spread(np.r_[0.0, total[starts[1:] - 1]], starts, bars)


def _opening_range(bars: Column, minutes: int) -> tuple[Values, ...]:
    starts = _starts(bars)
    inside = (bars.minute >= 0) & (bars.minute < minutes)
    high = np.maximum.reduceat(np.where(inside, bars.high, -np.inf), starts)
    low = np.minimum.reduceat(np.where(inside, bars.low, np.inf), starts)
    over = bars.minute >= minutes
    return tuple(
        np.where(over & np.isfinite(level), level, np.nan)
        for level in (_spread(high, starts, bars), _spread(low, starts, bars))
    )


def _day_so_far(bars: Column) -> tuple[Values, ...]:
    starts = _starts(bars)
    high, low = bars.high.copy(), bars.low.copy()
    for first, stop in zip(starts, np.r_[starts[1:], len(bars)], strict=True):
        high[first:stop] = np.maximum.accumulate(high[first:stop])
        low[first:stop] = np.minimum.accumulate(low[first:stop])
    return _spread(bars.open[starts], starts, bars), high, low


def _session_clock(bars: Column) -> tuple[Values, ...]:
    since_open = bars.minute.astype(np.float64)
    return since_open, close_minutes(bars.session) - since_open


def _day_of_week(bars: Column) -> tuple[Values, ...]:
    return (((bars.session + 3) % 7 + 1).astype(np.float64),)


def _month_position(bars: Column) -> tuple[Values, ...]:
    days, where = np.unique(bars.session, return_inverse=True)
    places = np.array([_place_in_month(int(day)) for day in days], dtype=np.float64)
    return places[where, 0], places[where, 1]


@cache
def _place_in_month(day: int) -> tuple[int, int]:
    """Which session of its month a date is, from 1, and how many sessions the month still has after it."""
    this = EPOCH + timedelta(days=day)
    first = this.replace(day=1)
    next_month = (first + timedelta(days=31)).replace(day=1)
    last = next_month - timedelta(days=1)
    after = len(sessions_between(this + timedelta(days=1), last)) if this < last else 0
    return len(sessions_between(first, this)), after


PRICES = ("open", "high", "low", "close")

INDICATORS = (
    Indicator(
        name="vwap",
        title="session volume-weighted average price",
        convention="typical price weighted by volume since the session's first bar; starts anew each session",
        compute=_vwap,
        lookback=lambda: 0,
        inputs=("high", "low", "close", "volume"),
        coarsest="1h",
    ),
    Indicator(
        name="opening_range",
        title="opening range",
        convention="high and low of the first `minutes` from 09:30; known on bars that start after them",
        compute=_opening_range,
        lookback=lambda minutes: 1,
        parameters=(IndicatorParameter("minutes", Bounds(low=1, high=360, integer=True), 30),),
        outputs=("high", "low"),
        inputs=("high", "low"),
        coarsest="1h",
    ),
    Indicator(
        name="gap",
        title="opening gap",
        convention="the session's first open against the close of the session before, in percent; all "
        "session long",
        compute=_gap,
        lookback=lambda: 1,
        inputs=("open", "high", "low", "close"),
        coarsest="day",
    ),
    Indicator(
        name="prior_day",
        title="open, high, low and close of the day before",
        convention="open, high, low and close of the ticker's session before",
        compute=_day_before,
        lookback=lambda: 1,
        outputs=PRICES,
        inputs=PRICES,
        coarsest="day",
    ),
    Indicator(
        name="day_so_far",
        title="open, high and low of the day so far",
        convention="the session's open, and its highest high and lowest low up to and including this bar",
        compute=_day_so_far,
        lookback=lambda: 0,
        outputs=("open", "high", "low"),
        inputs=("open", "high", "low"),
        coarsest="day",
    ),
    Indicator(
        name="pivot_points",
        title="pivot points",
        convention="floor traders' pivots from high, low and close of the session before",
        compute=_pivot_points,
        lookback=lambda: 1,
        outputs=("pivot", "r1", "r2", "r3", "s1", "s2", "s3"),
        inputs=PRICES,
        coarsest="day",
    ),
    Indicator(
        name="session_clock",
        title="time of the trading day",
        convention="minutes from 09:30 New York to the bar's start, and from there to the close (XNYS "
        "calendar)",
        compute=_session_clock,
        lookback=lambda: 0,
        outputs=("since_open", "to_close"),
        inputs=("close",),
        coarsest="1h",
    ),
    Indicator(
        name="day_of_week",
        title="day of the week",
        convention="1 Monday to 5 Friday, New York",
        compute=_day_of_week,
        lookback=lambda: 0,
        inputs=("close",),
        coarsest="day",
    ),
    Indicator(
        name="month_position",
        title="place in the month",
        convention="from_start is 1 on the month's first session, to_end 0 on its last (XNYS calendar)",
        compute=_month_position,
        lookback=lambda: 0,
        outputs=("from_start", "to_end"),
        inputs=("close",),
        coarsest="day",
    ),
)
