"""When the account may act: the bars of a panel that lie in regular XNYS sessions, each with its session."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import cast

import numpy as np

from falcon_pipelines.bars.calendar import (
    NEW_YORK,
    OutsideCalendar,
    is_session,
    midnight,
    next_session,
    session_open_close,
    sessions,
    sessions_from,
)
from falcon_pipelines.bars.panel import Panel


@dataclass(frozen=True)
class Moment:
    """The start of one bar.

    `time` is its timestamp; `starts` when it really starts: a day bar's at the open.
    """

    time: datetime
    starts: datetime
    session: date

    @property
    def settles_on(self) -> date:
        """The session on which a trade of now settles: T+1 (SEC Rule 15c6-1, since 28 May 2024)."""
        return next_session(self.session)

    def session_after(self, count: int) -> date:
        """The session `count` sessions from this one; weekdays are counted where the calendar does not reach."""
        try:
            return sessions_from(self.session, count + 1)[-1]
        except OutsideCalendar:
            return cast(date, np.busday_offset(self.session, count).item())


def regular_moments(panel: Panel) -> list[tuple[int, Moment]]:
    """The rows of the panel whose bars start within regular sessions, early closes included, in order."""
    if not len(panel):
        return []
    stamps = panel.timestamps.astype("datetime64[ns]")
    first, last = (stamps[i].astype("datetime64[D]").item() for i in (0, -1))
    days = sessions(first - timedelta(days=1), last + timedelta(days=1))
    if not days:
        return []
    hours = [session_open_close(day) for day in days]
    day_bars = panel.frequency == "day"
    starts = [midnight(day) for day in days] if day_bars else [opens for opens, _ in hours]
    ends = [start + timedelta(minutes=1) for start in starts] if day_bars else [closes for _, closes in hours]
    place = np.searchsorted(_nanoseconds(starts), stamps, side="right") - 1
    inside = (place >= 0) & (stamps < _nanoseconds(ends)[place])
    found = []
    for row in np.flatnonzero(inside).tolist():
        time = stamps[row].astype("datetime64[us]").item().replace(tzinfo=UTC)
        where = int(place[row])
        found.append((row, Moment(time, hours[where][0] if day_bars else time, days[where])))
    return found


def moment_of_minute(starts_at: datetime) -> Moment | None:
    """The moment of a minute bar; None outside the regular sessions of XNYS."""
    day = starts_at.astimezone(NEW_YORK).date()
    if not is_session(day):
        return None
    opens, closes = session_open_close(day)
    return Moment(starts_at, starts_at, day) if opens <= starts_at < closes else None


def _nanoseconds(times: list[datetime]) -> np.ndarray:
    return np.array([time.replace(tzinfo=None) for time in times], dtype="datetime64[ns]")


def new_york_time(value: date | datetime) -> datetime:
    """A date or a time without a zone is New York's; the result is in UTC."""
    if not isinstance(value, datetime):
        return midnight(value)
    return (value if value.tzinfo else value.replace(tzinfo=NEW_YORK)).astimezone(UTC)
