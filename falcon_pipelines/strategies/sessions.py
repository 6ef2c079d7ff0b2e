"""New York time of bars: which session a bar belongs to, and how far into it the bar starts."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

NEW_YORK = ZoneInfo("America/New_York")
OPEN_MINUTE = 9 * 60 + 30


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


def _offset_minutes(hour: int) -> int:
    offset = datetime.fromtimestamp(hour * 3600, UTC).astimezone(NEW_YORK).utcoffset()
    return int(offset.total_seconds() // 60) if offset else 0
