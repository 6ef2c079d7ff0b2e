"""Which videos were asked for and what became of them; which channels and files are watched."""

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Created, Moment


class Video(Base):
    """A video somebody submitted or a watched channel showed; each is fetched once."""

    __tablename__ = "videos"
    __table_args__ = (
        Index("ix_videos_next_attempt_at", "next_attempt_at"),
        Index("ix_videos_newest", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, comment="YouTube's id of the video")
    origin: Mapped[str] = mapped_column(comment="submitted, or the address of the channel that showed it")
    state: Mapped[str] = mapped_column(comment="requested, fetched, or why there is no transcript")
    detail: Mapped[str | None]
    next_step: Mapped[str | None] = mapped_column(comment="what happens next, in words")
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[Moment | None] = mapped_column(comment="null: never again")
    asked_at: Mapped[Moment | None] = mapped_column(comment="when somebody or a channel asked for it last")
    attempted_at: Mapped[Moment | None] = mapped_column(comment="when YouTube was asked last")
    created_at: Mapped[Created]


class WatchedFeed(Base):
    """A channel or playlist that is looked at for new videos."""

    __tablename__ = "watched_feeds"

    url: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[list[str]] = mapped_column(JSONB, comment="ids seen, newest first")
    polled_at: Mapped[Moment | None] = mapped_column(comment="last time it could be read")
    problem: Mapped[str | None] = mapped_column(comment="why the latest look failed")
    failures: Mapped[int] = mapped_column(default=0, server_default="0", comment="failed looks in a row")
    next_poll_at: Mapped[Moment | None] = mapped_column(comment="null: at once")
    created_at: Mapped[Created]


class TranscriptFile(Base):
    """A file in the watched folder of transcripts, and what became of it."""

    __tablename__ = "transcript_files"
    __table_args__ = (
        CheckConstraint(
            "state IN ('arriving', 'accepted', 'studied', 'duplicate', 'unknown_format', 'unreadable', 'failed')",
            name="state",
        ),
        Index("ix_transcript_files_newest", "seen_at", "name"),
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="path within the watched folder")
    state: Mapped[str]
    detail: Mapped[str | None] = mapped_column(comment="why, and what happens next, in words")
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    modified_at: Mapped[Moment]
    transcript_id: Mapped[str | None] = mapped_column(index=True, comment="hash of its content")
    seen_at: Mapped[Moment] = mapped_column(comment="when it was looked at as it is now")
    created_at: Mapped[Created]
