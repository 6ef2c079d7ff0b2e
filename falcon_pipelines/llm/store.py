"""Where calls and answers are kept: a small interface, and PostgreSQL behind it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.models.llm import LlmCall, LlmReply


@dataclass(frozen=True)
class StoredReply:
    """A final answer: the status and, where it is `ok`, the validated JSON text."""

    provider: str
    status: str
    content: str | None
    detail: str | None
    model_returned: str | None


@dataclass(frozen=True)
class CallRecord:
    """One request to a provider and what came of it."""

    run_id: str
    purpose: str
    provider: str
    rung: str
    model_asked: str
    model_returned: str | None
    prompt_hash: str
    parameters: dict[str, Any]
    status: str
    http_status: int | None
    detail: str | None
    reply: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: Decimal | None
    reserved_usd: Decimal
    latency_ms: int
    started_at: datetime


class LlmStore(Protocol):
    """What the client needs to remember."""

    def reply(self, key: str) -> StoredReply | None:
        """The answer kept under a content hash."""

    def keep(self, key: str, reply: StoredReply) -> None:
        """Keep an answer; one already there stays."""

    def record(self, call: CallRecord) -> None:
        """Keep a call."""

    def spent(self, *, since: datetime | None = None, run_id: str | None = None) -> Decimal:
        """US dollars of calls since a time, or of a run; an unknown cost counts as the most it can be."""


class PostgresStore:
    """Calls and answers in the application database, each written in a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reply(self, key: str) -> StoredReply | None:
        """The answer kept under a content hash."""
        with transaction(self._engine) as session:
            row = session.get(LlmReply, key)
            if row is None:
                return None
            return StoredReply(row.provider, row.status, row.content, row.detail, row.model_returned)

    def keep(self, key: str, reply: StoredReply) -> None:
        """Keep an answer; one already there stays."""
        values = {
            "key": key,
            "provider": reply.provider,
            "status": reply.status,
            "content": reply.content,
            "detail": reply.detail,
            "model_returned": reply.model_returned,
            "answered_at": datetime.now(UTC),
        }
        with transaction(self._engine) as session:
            session.execute(insert(LlmReply).values(values).on_conflict_do_nothing())

    def record(self, call: CallRecord) -> None:
        """Keep a call."""
        with transaction(self._engine) as session:
            session.add(LlmCall(**{name: getattr(call, name) for name in call.__dataclass_fields__}))

    def spent(self, *, since: datetime | None = None, run_id: str | None = None) -> Decimal:
        """US dollars of calls since a time, or of a run; an unknown cost counts as the most it can be."""
        total = select(func.coalesce(func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd)), 0))
        if since is not None:
            total = total.where(LlmCall.started_at >= since)
        if run_id is not None:
            total = total.where(LlmCall.run_id == run_id)
        with transaction(self._engine) as session:
            return Decimal(session.execute(total).scalar_one())
