"""Is anything wrong with live trading that a person should hear of? Reads the database; loads no numerical library."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import NEW_YORK, is_session, session_open_close
from falcon_pipelines.db.models import Account, AccountHalt, Feed, Heartbeat, LiveBar
from falcon_pipelines.db.notifications import notify

STALE_AFTER = timedelta(minutes=5)
OPENING = timedelta(minutes=5)
SILENT_AFTER = timedelta(minutes=2)
TRADER = "falcon-trader"


@dataclass(frozen=True)
class LiveState:
    """What is known of live trading; None before the first bar or beat.

    `silent_since` is when its bars stopped by the feed's own account, None while they come; `feed_at` when the feed
    last gave one.
    """

    newest_bar: datetime | None
    last_beat: datetime | None
    silent_since: datetime | None = None
    feed_at: datetime | None = None


def live_state(session: Session) -> LiveState:
    """The newest live bar, the trader's last sign of life and what the feed says."""
    beat = select(func.max(Heartbeat.beat_at)).where(Heartbeat.service == TRADER)
    feeds = select(Feed.stale_since, Feed.updated_at).where(Feed.name != "replay", Feed.state != "stopped")
    feed = session.execute(feeds.order_by(Feed.updated_at.desc()).limit(1)).one_or_none()
    said = (None, None) if feed is None else (feed.stale_since, feed.updated_at)
    return LiveState(newest_bar(session), session.scalar(beat), *said)


def newest_bar(session: Session) -> datetime | None:
    """The start of the newest live bar that did not come from a replay."""
    newest: datetime | None = session.scalar(
        select(func.max(LiveBar.starts_at)).where(LiveBar.source != "replay")
    )
    return newest


def is_open(now: datetime) -> bool:
    """Whether the exchange is open and its first minutes are over."""
    day = now.astimezone(NEW_YORK).date()
    if not is_session(day):
        return False
    opens, closes = session_open_close(day)
    return opens + OPENING <= now <= closes


def stale_since(state: LiveState, now: datetime) -> datetime | None:
    """Since when bars that are due do not come; None when all is well or nothing ever came.

    A feed that gives signs of life knows what is due; without one the newest bar tells.
    """
    if not is_open(now):
        return None
    newest = state.newest_bar
    if state.feed_at is not None and now - state.feed_at <= SILENT_AFTER:
        return None if state.silent_since is None else newest or state.silent_since
    return None if newest is None or now - newest <= STALE_AFTER else newest


def tell_stale(session: Session, since: datetime) -> bool:
    """Put the stale feed in the outbox, once for each standstill whoever sees it; whether it is new."""
    return notify(
        session,
        f"stale_feed:{since.isoformat()}",
        "stale_feed",
        "No live bars",
        f"None came since {since.astimezone(UTC):%Y-%m-%dT%H:%MZ}. Positions are shown at their last prices; stops "
        "are matched again when bars come.",
    )


def tell_silent(session: Session, last_beat: datetime) -> bool:
    """Put the trader's silence in the outbox, once for each; whether it is new."""
    return notify(
        session,
        f"silent_trader:{last_beat.isoformat()}",
        "stale_feed",
        "The trader is silent",
        f"Its last sign of life is of {last_beat.astimezone(UTC):%Y-%m-%dT%H:%MZ}. Stops are matched again when it is back.",
    )


def problems(state: LiveState, now: datetime) -> tuple[str, ...]:
    """What is wrong, in words."""
    found = []
    since = stale_since(state, now)
    if since is not None:
        found.append(f"no live bar since {since.astimezone(UTC):%Y-%m-%dT%H:%MZ}")
    if state.last_beat is not None and is_open(now) and now - state.last_beat > SILENT_AFTER:
        found.append(f"the trader is silent since {state.last_beat.astimezone(UTC):%Y-%m-%dT%H:%MZ}")
    return tuple(found)


def halts_since(session: Session, after: datetime) -> list[tuple[str, str, str, datetime]]:
    """Account, kind, reason and begin of the halts that began after a time and are still in force."""
    rows = session.execute(
        select(Account.name, AccountHalt.kind, AccountHalt.reason, AccountHalt.since)
        .join(Account, AccountHalt.account_id == Account.id)
        .where(AccountHalt.until.is_(None), AccountHalt.since > after)
        .order_by(AccountHalt.since, Account.name)
    ).all()
    return [(name, kind, reason, since) for name, kind, reason, since in rows]
