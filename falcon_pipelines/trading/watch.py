"""Is anything wrong with live trading that a person should hear of? Reads the database; loads no numerical library."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import NEW_YORK, is_session, session_open_close
from falcon_pipelines.db.models import Account, AccountHalt, Heartbeat, LiveBar
from falcon_pipelines.db.notifications import notify

STALE_AFTER = timedelta(minutes=5)
OPENING = timedelta(minutes=5)
SILENT_AFTER = timedelta(minutes=2)
TRADER = "falcon-trader"


@dataclass(frozen=True)
class LiveState:
    """What is known of live trading; None before the first bar or beat."""

    newest_bar: datetime | None
    last_beat: datetime | None


def live_state(session: Session) -> LiveState:
    """The newest live bar and the trader's last sign of life."""
    beat = select(func.max(Heartbeat.beat_at)).where(Heartbeat.service == TRADER)
    return LiveState(newest_bar(session), session.scalar(beat))


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


def stale_since(newest: datetime | None, now: datetime) -> datetime | None:
    """The start of the newest bar where a newer one should long be there; None when all is well or nothing ever came."""
    if newest is None or not is_open(now) or now - newest <= STALE_AFTER:
        return None
    return newest


def tell_stale(session: Session, since: datetime) -> bool:
    """Put the stale feed in the outbox, once for each standstill; whether it is new."""
    return notify(
        session,
        f"stale_feed:{since.isoformat()}",
        "stale_feed",
        "No live bars",
        f"The newest bar is of {since:%Y-%m-%dT%H:%MZ}. Stops are matched again when bars come.",
    )


def tell_silent(session: Session, last_beat: datetime) -> bool:
    """Put the trader's silence in the outbox, once for each; whether it is new."""
    return notify(
        session,
        f"silent_trader:{last_beat.isoformat()}",
        "stale_feed",
        "The trader is silent",
        f"Its last sign of life is of {last_beat:%Y-%m-%dT%H:%MZ}. Stops are matched again when it is back.",
    )


def problems(state: LiveState, now: datetime) -> tuple[str, ...]:
    """What is wrong, in words."""
    found = []
    since = stale_since(state.newest_bar, now)
    if since is not None:
        found.append(f"no live bar since {since:%Y-%m-%dT%H:%MZ}")
    if state.last_beat is not None and is_open(now) and now - state.last_beat > SILENT_AFTER:
        found.append(f"the trader is silent since {state.last_beat:%Y-%m-%dT%H:%MZ}")
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
