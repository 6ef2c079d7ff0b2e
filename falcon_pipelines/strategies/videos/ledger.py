"""The record of videos and feeds: each asked for once, tried again when that makes sense, and never forgotten."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import Video, WatchedFeed
from falcon_pipelines.strategies.videos.polling import Poll
from falcon_pipelines.strategies.videos.states import NEXT_STEPS, NoTranscript, next_attempt

SECONDS_BETWEEN_VIDEOS = 5.0
VIDEOS_AN_HOUR = 30
FEED_INTERVAL = timedelta(minutes=15)
_LONGEST_FEED_INTERVAL = timedelta(hours=12)
_HELD = ("rate_limited", "blocked_ip")
"""States in which YouTube has asked for rest: no other video is tried meanwhile either."""


@dataclass(frozen=True)
class DueVideo:
    """A video to fetch now; `attempt` counts from 1 and belongs in the run key, with the time it was asked for."""

    id: str
    attempt: int
    asked_at: datetime


def request_videos(session: Session, ids: Iterable[str], origin: str, now: datetime) -> None:
    """Note videos to fetch; one that is known already stays as it is."""
    for video in ids:
        values = {
            "id": video,
            "origin": origin,
            "state": "requested",
            "next_step": "is fetched next",
            "attempts": 0,
            "next_attempt_at": now,
            "asked_at": now,
        }
        session.execute(insert(Video).values(values).on_conflict_do_nothing())


def submit(session: Session, video: str, now: datetime) -> str:
    """Note a video that a person asked for; says what happens. One that failed before is tried afresh."""
    request_videos(session, [video], "submitted", now)
    row = session.get_one(Video, video)
    if row.state == "studied":
        return f"{video} was studied before: {row.detail}"
    if row.state not in ("requested", "fetched"):
        before = row.state
        row.state, row.attempts, row.asked_at = "requested", 0, now
        row.next_attempt_at, row.next_step = now, "is fetched next"
        session.flush()
        return f"{video} is tried again; last time it was {before}"
    held = held_until(session, now)
    if held is not None:
        return f"{video} is fetched after {held:%Y-%m-%d %H:%M} UTC: YouTube has asked for a pause"
    return f"{video} is fetched now, and becomes a strategy if it states one"


def held_until(session: Session, now: datetime) -> datetime | None:
    """Until when no video is asked for, because YouTube has refused this machine; None when it has not."""
    return session.scalar(
        select(func.max(Video.next_attempt_at)).where(Video.state.in_(_HELD), Video.next_attempt_at > now)
    )


def due_videos(session: Session, now: datetime, limit: int = 5) -> Sequence[DueVideo]:
    """Videos whose time has come, the longest waiting first; none while YouTube is to be left alone."""
    if held_until(session, now) is not None:
        return ()
    lately = session.scalar(
        select(func.count()).select_from(Video).where(Video.attempted_at > now - timedelta(hours=1))
    )
    rows = session.scalars(
        select(Video)
        .where(Video.next_attempt_at <= now)
        .order_by(Video.next_attempt_at, Video.id)
        .limit(max(0, min(limit, VIDEOS_AN_HOUR - (lately or 0))))
    )
    return [DueVideo(row.id, row.attempts + 1, row.asked_at or row.created_at) for row in rows]


def begin_attempt(session: Session, video: str, now: datetime) -> float:
    """Note that YouTube is asked for a video; the seconds to wait before, since the one asked for last."""
    last = session.scalar(select(func.max(Video.attempted_at)))
    request_videos(session, [video], "by hand", now)
    wait = 0.0 if last is None else max(0.0, SECONDS_BETWEEN_VIDEOS - (now - last).total_seconds())
    session.get_one(Video, video).attempted_at = now + timedelta(seconds=wait)
    return wait


def mark_fetched(session: Session, video: str, now: datetime) -> None:
    """The transcript of a video is stored, and YouTube is not asked again; it is due until it is studied."""
    row = session.get_one(Video, video)
    row.state, row.detail, row.next_attempt_at, row.attempts = "fetched", None, now, row.attempts + 1
    row.next_step = "its strategy is read next"


def mark_studied(session: Session, video: str, outcome: str) -> None:
    """The strategy of a video has been read, or found wanting; `outcome` says so in words."""
    row = session.get(Video, video)
    if row is not None:
        row.state, row.detail, row.next_attempt_at = "studied", outcome, None
        row.next_step = "nothing; what is runnable of it is backtested"


def mark_failed(session: Session, failure: NoTranscript, now: datetime) -> None:
    """A video has no transcript: why, and when it is tried again, if ever."""
    row = session.get_one(Video, failure.video)
    row.attempts += 1
    row.state, row.detail = failure.state, failure.detail or None
    wait = next_attempt(failure.state, row.attempts)
    row.next_step = NEXT_STEPS[failure.state].advice
    if wait is None:
        row.next_attempt_at = None
        if NEXT_STEPS[failure.state].wait is not None:
            row.next_step = f"given up after {row.attempts} attempts; submit it again to try once more"
        return
    row.next_attempt_at = max(now + wait, failure.not_before or now)


def give_up(session: Session, video: str, reason: str) -> None:
    """The runs of a video fail for a reason of Falcon's own; it waits for a person."""
    row = session.get_one(Video, video)
    row.state, row.detail, row.next_attempt_at = "failed", reason, None
    row.next_step = "look at its runs in Dagster, then submit it again"


def watch(session: Session, url: str) -> bool:
    """Look at a channel or playlist from now on; whether that is new. One watched already keeps its cursor."""
    values = {"url": url, "cursor": [], "failures": 0}
    made = session.execute(
        insert(WatchedFeed).values(values).on_conflict_do_nothing().returning(WatchedFeed.url)
    )
    return made.scalar_one_or_none() is not None


def unwatch(session: Session, url: str) -> bool:
    """Look at a channel or playlist no longer; whether it was watched. Its videos stay."""
    row = session.get(WatchedFeed, url)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def due_feeds(session: Session, now: datetime) -> Sequence[tuple[str, tuple[str, ...]]]:
    """Address and cursor of the feeds whose time has come, the longest waiting first."""
    rows = session.scalars(
        select(WatchedFeed)
        .where(func.coalesce(WatchedFeed.next_poll_at, now) <= now)
        .order_by(WatchedFeed.next_poll_at.asc().nulls_first(), WatchedFeed.url)
    )
    return [(row.url, tuple(row.cursor)) for row in rows]


def store_poll(session: Session, url: str, poll: Poll, now: datetime) -> None:
    """Request what a look found new and move the cursor, together."""
    row = session.get(WatchedFeed, url)
    if row is None:
        return
    request_videos(session, poll.new, url, now)
    row.cursor, row.polled_at, row.problem = list(poll.cursor), now, None
    row.failures, row.next_poll_at = 0, now + FEED_INTERVAL


def store_failed_poll(session: Session, url: str, problem: str, now: datetime) -> None:
    """A look failed: its reason is kept, the cursor stays, and the next look comes later each time."""
    row = session.get(WatchedFeed, url)
    if row is None:
        return
    row.problem, row.failures = problem[:500], row.failures + 1
    row.next_poll_at = now + min(FEED_INTERVAL * 2 ** min(row.failures, 10), _LONGEST_FEED_INTERVAL)
