"""Videos on their way in: which were asked for, what became of each, and which channels are watched."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import second_of_video
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import Transcript, Video, WatchedFeed

NEWEST = 200
FETCHED = "fetched"


class VideoState(Value):
    """One video: how far it came, why, and what happens next."""

    id: str
    title: str | None
    origin: str
    origin_link: str | None
    state: str
    detail: str | None
    next_step: str
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
    since: datetime


def video_states(session: Session) -> list[VideoState]:
    """Videos somebody or a channel asked for, newest first."""
    rows = session.execute(
        select(Video, Transcript.title)
        .outerjoin(Transcript, Transcript.id == Video.id)
        .order_by(Video.created_at.desc(), Video.id)
        .limit(NEWEST)
    ).all()
    return [
        VideoState(
            id=video.id,
            title=title,
            origin=video.origin,
            origin_link=second_of_video(video.origin, None),
            state=video.state,
            detail=video.detail,
            next_step=_next_step(video),
            attempts=video.attempts,
            next_attempt_at=video.next_attempt_at,
            asked_at=video.created_at,
            has_transcript=title is not None,
        )
        for video, title in rows
    ]


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
            since=row.created_at,
        )
        for row in rows
    ]


def _next_step(video: Video) -> str:
    if video.state == FETCHED:
        return "its rules are taken from the transcript"
    if video.next_attempt_at is None:
        return "nothing: asking again would not help"
    return "it is asked for again"
