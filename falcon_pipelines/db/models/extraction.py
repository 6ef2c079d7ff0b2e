"""What an extractor made of a transcript, and the strategies its open rules can be read as."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Created


class Extraction(Base):
    """One extractor's reading of one transcript; of each transcript one is in force."""

    __tablename__ = "extractions"
    __table_args__ = (
        UniqueConstraint("transcript_id", "extractor", "document_hash"),
        CheckConstraint("status IN ('runnable', 'needs_overlay', 'not_mechanisable')", name="status"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    transcript_id: Mapped[str] = mapped_column(ForeignKey("transcripts.id"))
    extractor: Mapped[str] = mapped_column(comment="grammar, llm")
    code_version: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    document: Mapped[dict[str, Any]] = mapped_column(
        JSONB,
        comment="what `falcon extract --json` prints: rules, variants, overlays, claims, refused, flags",
    )
    document_hash: Mapped[str]
    in_force: Mapped[bool] = mapped_column(comment="whether its strategies are the ones that are run")
    spec_id: Mapped[int | None] = mapped_column(
        ForeignKey("strategy_specs.id"), comment="the strategy as stated; null where no entry is clear"
    )
    created_at: Mapped[Created]


class StrategyVariant(Base):
    """A strategy beside the one stated: another reading of an open rule, or a choice a person laid over it."""

    __tablename__ = "strategy_variants"
    __table_args__ = (
        UniqueConstraint("extraction_id", "spec_id"),
        CheckConstraint("kind IN ('reading', 'overlay')", name="kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    extraction_id: Mapped[int] = mapped_column(ForeignKey("extractions.id"), index=True)
    spec_id: Mapped[int] = mapped_column(ForeignKey("strategy_specs.id"), index=True)
    base_spec_id: Mapped[int | None] = mapped_column(
        ForeignKey("strategy_specs.id"), comment="what an overlay was laid over"
    )
    kind: Mapped[str]
    field: Mapped[str] = mapped_column(
        comment="the place in the spec that differs; several joined by a comma"
    )
    value: Mapped[Any] = mapped_column(JSONB, comment="what stands there in this variant")
    why: Mapped[str | None] = mapped_column(comment="what is open, or who chose it")
    runnable: Mapped[bool] = mapped_column(
        comment="whether it has an entry and an exit, and so is backtested"
    )
    created_at: Mapped[Created]
