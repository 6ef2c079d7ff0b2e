"""What language models were asked and what they answered: every call, and the replies that can be used again."""

from decimal import Decimal
from typing import Any

from sqlalchemy import Index, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Moment


class LlmCall(Base):
    """One request to a provider; kept whatever came of it."""

    __tablename__ = "llm_calls"
    __table_args__ = (Index("ix_llm_calls_started_at", "started_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(index=True, comment="the run whose budget it counted against")
    purpose: Mapped[str]
    provider: Mapped[str]
    rung: Mapped[str] = mapped_column(comment="json_schema, json_object, repair")
    model_asked: Mapped[str]
    model_returned: Mapped[str | None]
    prompt_hash: Mapped[str] = mapped_column(index=True)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str]
    http_status: Mapped[int | None]
    detail: Mapped[str | None]
    reply: Mapped[str | None] = mapped_column(comment="the body as it came, keys blotted out")
    prompt_tokens: Mapped[int | None] = mapped_column(comment="null: the provider did not say")
    completion_tokens: Mapped[int | None]
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 8), comment="null: usage or price unknown")
    reserved_usd: Mapped[Decimal] = mapped_column(
        Numeric(14, 8), comment="the most it can have cost; counts while the cost is unknown"
    )
    latency_ms: Mapped[int]
    started_at: Mapped[Moment]


class LlmReply(Base):
    """A final answer, found again by the content of its question."""

    __tablename__ = "llm_replies"

    key: Mapped[str] = mapped_column(
        primary_key=True, comment="SHA-256 of provider, model, messages, schema, code"
    )
    provider: Mapped[str]
    status: Mapped[str]
    content: Mapped[str | None] = mapped_column(comment="the validated JSON text, byte for byte")
    detail: Mapped[str | None]
    model_returned: Mapped[str | None]
    answered_at: Mapped[Moment]
