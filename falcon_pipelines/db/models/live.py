"""Minute bars of the running session as they arrive, and how the feeds that bring them are doing."""

from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Created, Moment, Price, Shares


class LiveBar(Base):
    """One revision of one minute bar. Rows are only ever inserted; old ones that are in the bar store are deleted."""

    __tablename__ = "live_bars"
    __table_args__ = (
        CheckConstraint("revision >= 0", name="revision_not_negative"),
        Index("ix_live_bars_sequence", "sequence", unique=True),
        Index("ix_live_bars_starts_at", "starts_at"),
    )

    ticker: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[Moment] = mapped_column(primary_key=True, comment="start of the bar")
    revision: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, default=0, comment="0 first; a higher one corrects"
    )
    sequence: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), comment="order of arrival: rows become visible in this order"
    )
    open: Mapped[Price]
    high: Mapped[Price]
    low: Mapped[Price]
    close: Mapped[Price]
    volume: Mapped[Shares]
    source: Mapped[str] = mapped_column(comment="massive, alpaca, replay")
    basis: Mapped[str] = mapped_column(comment="whose trades: sip, iex, synthetic")
    late: Mapped[bool] = mapped_column(default=False, comment="came by back-fill, not as it happened")
    arrived_at: Mapped[Created]


class Feed(Base):
    """A source of live bars and how it is doing."""

    __tablename__ = "feeds"
    __table_args__ = (
        CheckConstraint(
            "state IN ('connecting', 'live', 'quiet', 'stale', 'replaying', 'finished', 'stopped')",
            name="state",
        ),
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="massive, alpaca, replay")
    basis: Mapped[str]
    state: Mapped[str] = mapped_column(
        comment="live: bars come; quiet: the exchange is closed; stale: they should come and do not"
    )
    detail: Mapped[str | None] = mapped_column(comment="what is wrong, or how far a replay is")
    last_message_at: Mapped[Moment | None]
    last_bar_at: Mapped[Moment | None] = mapped_column(comment="start of the newest bar")
    stale_since: Mapped[Moment | None]
    counts: Mapped[dict[str, int]] = mapped_column(
        JSONB, default=dict, comment="since the service started: received, written, refused, reconnects, ..."
    )
    updated_at: Mapped[Moment]


class FeedSymbol(Base):
    """A ticker a feed watches, why, and up to where its bars are known to be complete."""

    __tablename__ = "feed_symbols"

    feed: Mapped[str] = mapped_column(primary_key=True)
    ticker: Mapped[str] = mapped_column(primary_key=True)
    reasons: Mapped[list[str]] = mapped_column(
        JSONB, comment="held, order, candidate, strategy, watchlist; empty when it is no longer watched"
    )
    cursor: Mapped[Moment | None] = mapped_column(
        comment="start of the last bar before which none is missing"
    )


class LiveSession(Base):
    """What became of a session's live bars: how far they are in segment files, and where they are kept for good."""

    __tablename__ = "live_sessions"

    basis: Mapped[str] = mapped_column(primary_key=True)
    session: Mapped[date] = mapped_column(primary_key=True)
    segmented_through: Mapped[int] = mapped_column(
        BigInteger, comment="sequence of the last live bar that is in a segment file"
    )
    compacted_through: Mapped[int | None] = mapped_column(
        BigInteger, comment="sequence of the last one in the session's file"
    )
    outcome: Mapped[str | None] = mapped_column(
        comment="stored, or why the bar store has other bars of that session"
    )
