"""When the outcome of a run begins and ends: bought at the first open after the run, sold at the horizon's close."""

from datetime import date, datetime

from falcon_pipelines.bars.calendar import OutsideCalendar, next_session, session_open_close, sessions_from
from falcon_pipelines.profiles.schema import Slot


def entry_session(session: date, slot: Slot) -> date:
    """The first session that opens after the run: the same one for a morning run, else the next."""
    return session if slot == "morning" else next_session(session)


def exit_session(entry: date, horizon_sessions: int) -> date | None:
    """The session with whose close the horizon ends, the entry session being the first of it.

    None where the trading calendar does not reach so far yet.
    """
    try:
        return sessions_from(entry, horizon_sessions)[-1]
    except OutsideCalendar:
        return None


def is_forward(entry: date, made_at: datetime) -> bool:
    """Whether the run was stored before its outcome began."""
    return made_at < session_open_close(entry)[0]


def has_closed(exit_day: date | None, now: datetime, newest_bars: date) -> bool:
    """Whether the horizon is over and its last bars are there; before, an outcome is never computed."""
    return exit_day is not None and exit_day <= newest_bars and session_open_close(exit_day)[1] <= now
