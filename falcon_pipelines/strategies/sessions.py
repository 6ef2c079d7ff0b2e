"""New York time of bars: which session a bar belongs to, and how far into it the bar starts."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars import calendar

NEW_YORK = ZoneInfo("America/New_York")
OPEN_MINUTE = 9 * 60 + 30
WHOLE_SESSION = 390.0
SATURDAY = 5


def new_york(timestamps: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """UTC times (T,) as New York wall-clock times, datetime64[m]."""
    hours, where = np.unique(timestamps.astype("datetime64[h]"), return_inverse=True)
    offsets = [_offset_minutes(int(hour)) for hour in hours.astype(np.int64)]
    shift = (
        np.asarray(offsets, dtype="timedelta64[m]")[where] if len(hours) else np.empty(0, "timedelta64[m]")
    )
    local: NDArray[np.datetime64] = timestamps.astype("datetime64[m]") + shift
    return local


def session_days(timestamps: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """The New York date of each bar, as days since 1970-01-01."""
    return new_york(timestamps).astype("datetime64[D]").astype(np.int64)


def minutes_from_open(timestamps: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Minutes from 09:30 New York to the start of each bar; -570 on day bars, which start at midnight."""
    local = new_york(timestamps)
    minutes: NDArray[np.int64] = (local - local.astype("datetime64[D]")).astype(np.int64) - OPEN_MINUTE
    return minutes


def close_minutes(days: NDArray[np.int64]) -> NDArray[np.float64]:
    """Minutes from 09:30 to the close of each date (days since 1970-01-01): 390, or fewer on early closes.

    A date that the calendar does not know as a session counts as a whole one.
    """
    known, where = np.unique(days, return_inverse=True)
    minutes = np.array([_session_minutes(int(day)) for day in known], dtype=np.float64)
    return minutes[where] if len(known) else np.empty(0)


@cache
def _session_minutes(day: int) -> float:
    session = date(1970, 1, 1) + timedelta(days=day)
    try:
        if not calendar.is_session(session):
            return WHOLE_SESSION
    except calendar.OutsideCalendar:
        return WHOLE_SESSION
    opens, closes = calendar.session_open_close(session)
    return (closes - opens).total_seconds() / 60


def are_sessions(days: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each date (days since 1970-01-01) is an XNYS session."""
    known, where = np.unique(days, return_inverse=True)
    dates = [date(1970, 1, 1) + timedelta(days=int(day)) for day in known]
    return np.array([bool(sessions_between(each, each)) for each in dates], dtype=bool)[where]


@cache
def sessions_between(start: date, end: date) -> tuple[date, ...]:
    """XNYS sessions of both dates and what lies between; weekdays in years that the calendar does not know."""
    try:
        return calendar.sessions(start, end)
    except calendar.OutsideCalendar:
        days = (start + timedelta(days=number) for number in range((end - start).days + 1))
        return tuple(day for day in days if day.weekday() < SATURDAY)


def _offset_minutes(hour: int) -> int:
    offset = datetime.fromtimestamp(hour * 3600, UTC).astimezone(NEW_YORK).utcoffset()
    return int(offset.total_seconds() // 60) if offset else 0
