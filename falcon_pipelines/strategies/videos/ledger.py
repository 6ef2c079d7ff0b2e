"""The record of videos: each asked for once, tried again when that makes sense, and never forgotten."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models.videos import Video, WatchedFeed
from falcon_pipelines.strategies.videos.polling import Poll
from falcon_pipelines.strategies.videos.states import NoTranscript, next_attempt


@dataclass(frozen=True)
class DueVideo:
    """A video to fetch now; `attempt` counts from 1 and belongs in the run key."""

    id: str
    attempt: int


def request_videos(session: Session, ids: Iterable[str], origin: str, now: datetime) -> None:
    """Note videos to fetch; one that is known already stays as it is."""
    for video in ids:
        values = {"id": video, "origin": origin, "state": "requested", "attempts": 0, "next_attempt_at": now}
        session.execute(insert(Video).values(values).on_conflict_do_nothing())


def due_videos(session: Session, now: datetime, limit: int = 5) -> Sequence[DueVideo]:
    """Videos whose time has come, the longest waiting first."""
    rows = session.scalars(
        select(Video)
        .where(Video.next_attempt_at <= now)
        .order_by(Video.next_attempt_at, Video.id)
        .limit(limit)
    )
    return [DueVideo(row.id, row.attempts + 1) for row in rows]


def mark_fetched(session: Session, video: str) -> None:
    """The transcript of a video is stored; it is not asked for again."""
    row = session.get_one(Video, video)
    row.state, row.detail, row.next_attempt_at, row.attempts = "fetched", None, None, row.attempts + 1


def mark_failed(session: Session, failure: NoTranscript, now: datetime) -> None:
    """A video has no transcript: why, and when it is tried again, if ever."""
    row = session.get_one(Video, failure.video)
    row.attempts += 1
    row.state, row.detail = failure.state, failure.detail or None
    wait = next_attempt(failure.state, row.attempts)
    row.next_attempt_at = None if wait is None else now + wait


def watch(session: Session, url: str) -> None:
    """Look at a channel or playlist from now on; one that is watched already keeps its cursor."""
    session.execute(insert(WatchedFeed).values(url=url, cursor=[]).on_conflict_do_nothing())


def store_poll(session: Session, url: str, poll: Poll, now: datetime) -> None:
    """Request what a look found new and move the cursor, together."""
    request_videos(session, poll.new, url, now)
    row = session.get_one(WatchedFeed, url)
    row.cursor, row.polled_at, row.problem = list(poll.cursor), now, None


def store_failed_poll(session: Session, url: str, problem: str) -> None:
    """A look failed: its reason is kept and nothing moves."""
    session.get_one(WatchedFeed, url).problem = problem[:500]
