"""How people and services speak to each other through the database: users, requests, heartbeats, notifications."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Created, Moment


class User(Base):
    """Somebody who may log in to the dashboard."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("role IN ('viewer', 'operator')", name="role"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    password_hash: Mapped[str] = mapped_column(comment="argon2id, with its salt and parameters")
    role: Mapped[str] = mapped_column(comment="viewer: may look; operator: may ask for things too")
    epoch: Mapped[int] = mapped_column(default=0, comment="raised to end every session of the user")
    disabled_at: Mapped[Moment | None]
    created_at: Mapped[Created]


class LoginEvent(Base):
    """What happened at the login. Rows are only ever added, so every dashboard process, and the next one, knows them.

    Waits after wrong passwords follow from `tried`; a session whose `left` is here has ended.
    """

    __tablename__ = "login_events"
    __table_args__ = (
        CheckConstraint("kind IN ('tried', 'let_in', 'withdrawn', 'left')", name="kind"),
        Index("ix_login_events_name", "name", "id"),
        Index("ix_login_events_network", "network", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(
        comment="tried: a password, wrong until let_in follows; withdrawn: that try could not be judged; left: logged out"
    )
    name: Mapped[str] = mapped_column(comment="the user; what somebody else typed is kept as a keyed hash")
    network: Mapped[str | None] = mapped_column(comment="address of who tried, 64 bits of it for IPv6")
    session: Mapped[str | None] = mapped_column(comment="SHA-256 of the session's id")
    at: Mapped[Created]


class Request(Base):
    """What a person asked for in the dashboard or the shell; a sensor acts on it once and answers."""

    __tablename__ = "requests"
    __table_args__ = (
        CheckConstraint("outcome IN ('done', 'refused')", name="outcome"),
        Index("ix_requests_waiting", "kind", "id", postgresql_where=text("handled_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str | None] = mapped_column(unique=True, comment="the same press has the same key")
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    requested_by: Mapped[str]
    requested_at: Mapped[Created]
    handled_at: Mapped[Moment | None]
    outcome: Mapped[str | None]
    answer: Mapped[str | None] = mapped_column(comment="what came of it, in one plain sentence")


class Heartbeat(Base):
    """The last sign of life of a service on a node."""

    __tablename__ = "heartbeats"
    __table_args__ = (CheckConstraint("state IN ('ok', 'degraded', 'stopping')", name="state"),)

    service: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    state: Mapped[str]
    detail: Mapped[str | None] = mapped_column(comment="what is wrong, or what it is doing")
    started_at: Mapped[Moment]
    beat_at: Mapped[Moment]


class Proof(Base):
    """The newest proof that something works from end to end, or that it does not."""

    __tablename__ = "proofs"

    name: Mapped[str] = mapped_column(primary_key=True, comment="canary, backup, archiving, restore_drill")
    ok: Mapped[bool]
    detail: Mapped[str] = mapped_column(comment="what was proved, or what went wrong")
    seconds: Mapped[float] = mapped_column(comment="how long it took")
    proved_at: Mapped[Moment]
    last_good_at: Mapped[Moment | None]


class Notification(Base):
    """Something a person should hear of: an outbox, sent at least once and shown for ever."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_unsent", "next_attempt_at", postgresql_where=text("sent_at IS NULL")),
        Index("ix_notifications_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(unique=True, comment="the same event is told once")
    kind: Mapped[str] = mapped_column(comment="fill, reject, stop, halt, stale_feed, reconciliation, ...")
    title: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[Created]
    sent_at: Mapped[Moment | None]
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[Moment | None]
    problem: Mapped[str | None] = mapped_column(comment="why the latest attempt failed")
