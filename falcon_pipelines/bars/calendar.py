"""The trading calendar: which New York dates are XNYS sessions, and when each opens and closes.

It reaches a year ahead of today; where its facts come from is `exchange_days`.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from falcon_pipelines.bars.exchange_days import FIRST, Sessions, sessions_until
from falcon_pipelines.errors import InputError

NEW_YORK = ZoneInfo("America/New_York")
FIRST_YEAR = FIRST.year
AHEAD = timedelta(days=365)


class OutsideCalendar(InputError):
    """A date before or after what the trading calendar knows."""


@cache
def _table() -> Sessions:
    return sessions_until(datetime.now(NEW_YORK).date() + AHEAD)


def first_session() -> date:
    """The first session the calendar knows."""
    return _table().days[0].item()  # type: ignore[no-any-return]


def last_session() -> date:
    """The last session the calendar knows, about a year ahead of today."""
    return _table().days[-1].item()  # type: ignore[no-any-return]


def _position(day: date, side: str = "left") -> int:
    days = _table().days
    if not date(FIRST_YEAR, 1, 1) <= day <= days[-1].item():
        raise OutsideCalendar(f"{day}: the trading calendar knows {days[0]} to {days[-1]} only")
    return int(np.searchsorted(days, np.datetime64(day, "D"), side=side))  # type: ignore[call-overload]


def is_session(day: date) -> bool:
    """Whether the exchange is open on that New York date. Raises OutsideCalendar."""
    position = _position(day)
    return bool(_table().days[position] == np.datetime64(day, "D"))


def sessions(start: date, end: date) -> tuple[date, ...]:
    """All sessions from `start` to `end`, both included. Raises OutsideCalendar."""
    if end < start:
        return ()
    return tuple(_table().days[_position(start) : _position(end, "right")].tolist())


def sessions_from(start: date, count: int) -> tuple[date, ...]:
    """The first `count` sessions on or after `start`. Raises OutsideCalendar when there are not so many."""
    first = _position(start)
    found = tuple(_table().days[first : first + count].tolist())
    if len(found) < count:
        raise OutsideCalendar(f"{start}: fewer than {count} sessions are known from there")
    return found


def next_session(day: date) -> date:
    """The first session after that date, whether or not it is one. Raises OutsideCalendar."""
    position = _position(day, "right")
    if position == len(_table().days):
        raise OutsideCalendar(f"{day}: the trading calendar ends there")
    return _table().days[position].item()  # type: ignore[no-any-return]


def previous_session(day: date) -> date:
    """The last session before that date, whether or not it is one. Raises OutsideCalendar."""
    position = _position(day)
    if position == 0:
        raise OutsideCalendar(f"{day}: the trading calendar starts there")
    return _table().days[position - 1].item()  # type: ignore[no-any-return]


def session_open_close(session: date) -> tuple[datetime, datetime]:
    """When that session opens and closes, in UTC, early closes included.

    Raises OutsideCalendar for a date that is no session.
    """
    if not is_session(session):
        raise OutsideCalendar(f"{session} is no trading session of XNYS")
    position = _position(session)
    table = _table()
    return (
        table.opens[position].item().replace(tzinfo=UTC),
        table.closes[position].item().replace(tzinfo=UTC),
    )


def is_early_close(session: date) -> bool:
    """Whether the exchange closes before 16:00 New York that day. Raises OutsideCalendar."""
    return session_open_close(session)[1].astimezone(NEW_YORK).hour < 16


def midnight(session: date) -> datetime:
    """Midnight New York of that date, in UTC: the timestamp of its day bars."""
    return datetime(session.year, session.month, session.day, tzinfo=NEW_YORK).astimezone(UTC)


def session_bounds(session: date) -> tuple[datetime, datetime]:
    """The New York calendar day of that date in UTC: its first instant and the first of the next day."""
    return midnight(session), midnight(session + timedelta(days=1))
