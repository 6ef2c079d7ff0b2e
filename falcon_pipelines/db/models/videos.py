"""Which videos were asked for and what became of them; which channels are watched."""

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Created, Moment


class Video(Base):
    """A video somebody submitted or a watched channel showed; each is fetched once."""

    __tablename__ = "videos"
    __table_args__ = (Index("ix_videos_next_attempt_at", "next_attempt_at"),)

    id: Mapped[str] = mapped_column(primary_key=True, comment="YouTube's id of the video")
    origin: Mapped[str] = mapped_column(comment="submitted, or the address of the channel that showed it")
    state: Mapped[str] = mapped_column(comment="requested, fetched, or why there is no transcript")
    detail: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[Moment | None] = mapped_column(comment="null: never again")
    created_at: Mapped[Created]


class WatchedFeed(Base):
    """A channel or playlist that is looked at for new videos."""

    __tablename__ = "watched_feeds"

    url: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[list[str]] = mapped_column(JSONB, comment="ids seen, newest first")
    polled_at: Mapped[Moment | None] = mapped_column(comment="last time it could be read")
    problem: Mapped[str | None] = mapped_column(comment="why the latest look failed")
    created_at: Mapped[Created]
