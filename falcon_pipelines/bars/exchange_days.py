"""The sessions of XNYS as a table: read from a short list of exceptions, which `exchange_calendars` wrote.

That library knows the rules, but asking it loads pandas: a second and 80 MB in every process. `xnys.csv` holds what
differs from weekdays of 09:30 to 16:00 New York, up to LAST; `python -m falcon_pipelines.bars.exchange_days` writes
it anew after an update of the library, which a test compares it with. Later dates are asked of the library itself.
"""

import csv
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

FIRST, LAST = date(1990, 1, 1), date(2029, 12, 31)
OPENS, CLOSES = time(9, 30), time(16)
_NEW_YORK = ZoneInfo("America/New_York")
_FILE = "xnys.csv"


class Sessions(NamedTuple):
    """Sessions in order (n,), days; when each opens and closes (n,), seconds in UTC."""

    days: NDArray[np.datetime64]
    opens: NDArray[np.datetime64]
    closes: NDArray[np.datetime64]

    def until(self, end: date) -> "Sessions":
        """Those up to a date, that included."""
        count = int(np.searchsorted(self.days, np.datetime64(end, "D"), side="right"))
        return Sessions(self.days[:count], self.opens[:count], self.closes[:count])


def sessions_until(end: date) -> Sessions:
    """All sessions from FIRST to `end`."""
    return (listed_sessions() if end <= LAST else library_sessions(end)).until(end)


def listed_sessions() -> Sessions:
    """The sessions from FIRST to LAST by the list."""
    text = files("falcon_pipelines.bars").joinpath(_FILE).read_text(encoding="ascii")
    hours: dict[date, tuple[time, time] | None] = {}
    for written, opens, closes in csv.reader(text.splitlines()[1:]):
        hours[date.fromisoformat(written)] = (
            (time.fromisoformat(opens), time.fromisoformat(closes)) if opens else None
        )
    regular = (OPENS, CLOSES)
    days, starts, ends = [], [], []
    for day in _all_days():
        found = hours.get(day, regular if day.weekday() < 5 else None)
        if found is not None:
            days.append(day)
            starts.append(_utc(day, found[0]))
            ends.append(_utc(day, found[1]))
    return Sessions(
        np.array(days, "datetime64[D]"), np.array(starts, "datetime64[s]"), np.array(ends, "datetime64[s]")
    )


def _all_days() -> list[date]:
    return [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]


def _utc(day: date, at: time) -> datetime:
    return datetime.combine(day, at, _NEW_YORK).astimezone(UTC).replace(tzinfo=None)


def library_sessions(end: date) -> Sessions:
    """The sessions from FIRST to `end` by the rules of `exchange_calendars`."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST.isoformat(), end=end.isoformat())
    return Sessions(
        days=calendar.sessions.values.astype("datetime64[D]"),
        opens=calendar.opens.dt.tz_localize(None).values.astype("datetime64[s]"),
        closes=calendar.closes.dt.tz_localize(None).values.astype("datetime64[s]"),
    )


def exceptions() -> list[tuple[str, str, str]]:
    """The lines of the list: date, open and close in New York; without times where the exchange stays closed."""
    known = library_sessions(LAST)
    at = dict(
        zip(known.days.tolist(), zip(known.opens.tolist(), known.closes.tolist(), strict=True), strict=True)
    )
    found = []
    for day in _all_days():
        if day not in at:
            if day.weekday() < 5:
                found.append((day.isoformat(), "", ""))
            continue
        opens, closes = (moment.replace(tzinfo=UTC).astimezone(_NEW_YORK).time() for moment in at[day])
        if (opens, closes) != (OPENS, CLOSES) or day.weekday() >= 5:
            found.append((day.isoformat(), f"{opens:%H:%M}", f"{closes:%H:%M}"))
    return found


if __name__ == "__main__":
    with Path(__file__).with_name(_FILE).open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("date", "opens", "closes"), *exceptions()])
