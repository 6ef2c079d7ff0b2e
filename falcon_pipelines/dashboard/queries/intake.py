"""Videos on their way in: which were asked for, what became of each; watched channels; files in the watched folder."""

from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.cursors import Cursor
from falcon_pipelines.dashboard.queries.documents import second_of_video
from falcon_pipelines.dashboard.values import Page, Value
from falcon_pipelines.db.models import Transcript, TranscriptFile, Video, WatchedFeed

_READ = ("studied", "duplicate")


class VideoState(Value):
    """One video: how far it came, why, and what happens next."""

    id: str
    title: str | None
    origin: str
    origin_link: str | None
    state: str
    detail: str | None
    next_step: str | None
    attempts: int
    next_attempt_at: datetime | None
    asked_at: datetime
    has_transcript: bool


class Feed(Value):
    """A watched channel or playlist; `problem` is why the latest look failed."""

    url: str
    link: str | None
    seen: int
    polled_at: datetime | None
    problem: str | None
    failures: int
    next_poll_at: datetime | None
    since: datetime


class DroppedFile(Value):
    """A caption file in the watched folder, and what became of it."""

    name: str
    state: str
    detail: str | None
    size_bytes: int
    transcript_id: str | None
    seen_at: datetime


def video_states(session: Session, *, after: Cursor | None = None, limit: int = 50) -> Page[VideoState]:
    """Videos somebody or a channel asked for, newest first."""
    query = (
        select(Video, Transcript.title)
        .outerjoin(Transcript, Transcript.id == Video.id)
        .order_by(Video.created_at.desc(), Video.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(tuple_(Video.created_at, Video.id) < (after.at, after.id))
    rows = session.execute(query).all()
    items = [
        VideoState(
            id=video.id,
            title=title,
            origin=video.origin,
            origin_link=second_of_video(video.origin, None),
            state=video.state,
            detail=video.detail,
            next_step=video.next_step,
            attempts=video.attempts,
            next_attempt_at=video.next_attempt_at,
            asked_at=video.asked_at or video.created_at,
            has_transcript=title is not None,
        )
        for video, title in rows[:limit]
    ]
    last = rows[limit - 1][0] if len(rows) > limit else None
    return Page(items=items, next=None if last is None else str(Cursor(at=last.created_at, id=last.id)))


def feeds(session: Session) -> list[Feed]:
    """The watched channels, by address."""
    rows = session.scalars(select(WatchedFeed).order_by(WatchedFeed.url))
    return [
        Feed(
            url=row.url,
            link=second_of_video(row.url, None),
            seen=len(row.cursor) if isinstance(row.cursor, list) else 0,
            polled_at=row.polled_at,
            problem=row.problem,
            failures=row.failures,
            next_poll_at=row.next_poll_at,
            since=row.created_at,
        )
        for row in rows
    ]


def dropped_files(session: Session, *, after: Cursor | None = None, limit: int = 50) -> Page[DroppedFile]:
    """Files of the watched folder, newest first."""
    query = (
        select(TranscriptFile)
        .order_by(TranscriptFile.seen_at.desc(), TranscriptFile.name.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(tuple_(TranscriptFile.seen_at, TranscriptFile.name) < (after.at, after.id))
    rows = session.scalars(query).all()
    items = [
        DroppedFile(
            name=row.name,
            state=row.state,
            detail=row.detail,
            size_bytes=row.size_bytes,
            transcript_id=row.transcript_id if row.state in _READ else None,
            seen_at=row.seen_at,
        )
        for row in rows[:limit]
    ]
    last = items[-1] if len(rows) > limit else None
    return Page(items=items, next=None if last is None else str(Cursor(at=last.seen_at, id=last.name)))
