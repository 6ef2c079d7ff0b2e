"""What time it is in the market: the clock's, or that of the bars where stored ones are replayed or sessions are unread."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import NEW_YORK, midnight, session_open_close
from falcon_pipelines.db.models import AccountMark, LiveBar

REPLAY = "replay"
MINUTE = timedelta(minutes=1)
LOOK_AHEAD = 20_000
"""Bars that may have arrived in another order than that of their sessions."""


@dataclass
class MarketTime:
    """Follows the bars that are about to be worked through.

    `replayed` is the time of a replay, None on live bars; `behind` that of the oldest live bar of a session before the
    clock's that is still to be worked through, None where there is none.
    """

    replayed: datetime | None = None
    behind: datetime | None = None

    def now(self, clock: datetime) -> datetime:
        """The time of the market, where `clock` is the world's: a session begins after the bars of those before it."""
        return self.replayed or self.behind or clock

    def known(self, clock: datetime) -> datetime:
        """The time up to which all that was decided is known; unread live bars do not set it back."""
        return self.replayed or clock

    def look(self, session: Session, after: int | None, clock: datetime) -> date | None:
        """Look at the bar that comes next after sequence `after`, or at the last; returns the session a replay enters.

        None where none is entered: bars are live, or of the session they were of before.
        """
        before = self.session
        query = select(LiveBar.source, LiveBar.starts_at)
        found = None
        if after is not None:
            following = query.where(LiveBar.sequence > after).order_by(LiveBar.sequence).limit(1)
            found = session.execute(following).one_or_none()
        is_over = found is None
        if found is None:
            found = session.execute(query.order_by(LiveBar.sequence.desc()).limit(1)).one_or_none()
        self.behind = None
        if found is None or found.source != REPLAY:
            self.replayed = None
            if after is not None and not is_over:
                self.behind = _of_an_earlier_session(session, after, clock)
            return None
        self.replayed = found.starts_at + (MINUTE if is_over else timedelta())
        return self.session if self.session != before else None

    def reach(self, starts_at: datetime, clock: datetime) -> bool:
        """The bars of that minute come next; whether the market moves on to a later session, the clock's or one before."""
        if self.behind is None or _new_york_day(starts_at) <= _new_york_day(self.behind):
            return False
        self.behind = starts_at if _new_york_day(starts_at) < _new_york_day(clock) else None
        return True

    @property
    def asked_before(self) -> datetime | None:
        """The end of the New York date that unread live bars are of: what is asked later follows them; None without."""
        return None if self.behind is None else midnight(_new_york_day(self.behind) + timedelta(days=1))

    def worked(self, starts_at: datetime, *, from_replay: bool) -> None:
        """The bars of that minute are worked through."""
        self.replayed = starts_at + MINUTE if from_replay else None

    @property
    def session(self) -> date | None:
        """The New York date that is replayed; None on live bars."""
        return None if self.replayed is None else _new_york_day(self.replayed)

    @property
    def session_over(self) -> datetime | None:
        """The end of the New York date that is replayed: what is decided on later days is not known before."""
        return None if self.session is None else midnight(self.session + timedelta(days=1))


def _of_an_earlier_session(session: Session, after: int, clock: datetime) -> datetime | None:
    """The start of the oldest bar after sequence `after`, where it is of a New York date before the clock's."""
    unread = select(LiveBar.starts_at).where(LiveBar.sequence > after).order_by(LiveBar.sequence)
    oldest = session.scalar(select(func.min(unread.limit(LOOK_AHEAD).subquery().c.starts_at)))
    today = midnight(_new_york_day(clock))
    return oldest if oldest is not None and oldest < today else None


def _new_york_day(time: datetime) -> date:
    return time.astimezone(NEW_YORK).date()


def traded_since(session: Session, account_id: int, opened_at: datetime, replayed: date) -> datetime:
    """When an account began on a replay that is at the session `replayed`: at the open of its first session there."""
    first = session.scalar(select(func.min(AccountMark.session)).where(AccountMark.account_id == account_id))
    return min(opened_at, session_open_close(min(first or replayed, replayed))[0])
