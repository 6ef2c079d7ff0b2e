"""What time it is in the market: the clock's, or that of the bars where stored ones are replayed."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import NEW_YORK, midnight, session_open_close
from falcon_pipelines.db.models import AccountMark, LiveBar

REPLAY = "replay"
MINUTE = timedelta(minutes=1)


@dataclass
class MarketTime:
    """Follows the bars that are about to be worked through; `replayed` is the replay's time, None on live bars."""

    replayed: datetime | None = None

    def now(self, clock: datetime) -> datetime:
        """The time of the market, where `clock` is the world's."""
        return clock if self.replayed is None else self.replayed

    def look(self, session: Session, after: int | None) -> date | None:
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
        if found is None or found.source != REPLAY:
            self.replayed = None
            return None
        self.replayed = found.starts_at + (MINUTE if is_over else timedelta())
        return self.session if self.session != before else None

    def worked(self, starts_at: datetime, *, from_replay: bool) -> None:
        """The bars of that minute are worked through."""
        self.replayed = starts_at + MINUTE if from_replay else None

    @property
    def session(self) -> date | None:
        """The New York date that is replayed; None on live bars."""
        return None if self.replayed is None else self.replayed.astimezone(NEW_YORK).date()

    @property
    def session_over(self) -> datetime | None:
        """The end of the New York date that is replayed: what is decided on later days is not known before."""
        return None if self.session is None else midnight(self.session + timedelta(days=1))


def traded_since(session: Session, account_id: int, opened_at: datetime, replayed: date) -> datetime:
    """When an account began on a replay that is at the session `replayed`: at the open of its first session there."""
    first = session.scalar(select(func.min(AccountMark.session)).where(AccountMark.account_id == account_id))
    return min(opened_at, session_open_close(min(first or replayed, replayed))[0])
