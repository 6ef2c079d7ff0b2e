"""Which live bars are not needed any more: old ones that are kept on disk for good, and worked through."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import midnight, sessions
from falcon_pipelines.db.models import LiveBar
from falcon_pipelines.trading.feed.table import delete_bars

BATCH = 10_000


@dataclass(frozen=True)
class Limit:
    """Live bars that start before `before` and have a sequence up to `through` may go."""

    before: datetime
    through: int


def limit(newest: date, keep: int, first_unkept: date | None, through: int) -> Limit:
    """What may go when `keep` sessions up to `newest` stay, and all from `first_unkept` on."""
    staying = sessions(newest - timedelta(days=2 * keep + 10), newest)[-keep:]
    first = staying[0] if staying else newest
    return Limit(midnight(first if first_unkept is None else min(first, first_unkept)), through)


def newest_day(session: Session) -> date | None:
    """The day of the bar that came last; None without bars."""
    moment = session.scalars(
        select(LiveBar.starts_at).order_by(LiveBar.sequence.desc()).limit(1)
    ).one_or_none()
    return None if moment is None else moment.astimezone(UTC).date()


def retire(session: Session, source: str, allowed: Limit) -> int:
    """Delete one batch of what may go, in the caller's transaction; returns how many, 0 when there is no more."""
    return delete_bars(session, source, allowed.before, allowed.through, most=BATCH)
