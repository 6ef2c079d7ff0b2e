"""From a video to a verdict: transcripts, strategy specs, backtests, verdicts."""

from datetime import date
from typing import Any

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from falcon_pipelines.db.models.base import Base, Created, Moment, Money


class Transcript(Base):
    """The words of one video with the second each is spoken."""

    __tablename__ = "transcripts"
    __table_args__ = (Index("ix_transcripts_newest", "created_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True, comment="video id, or a hash of the file")
    title: Mapped[str]
    url: Mapped[str | None]
    channel: Mapped[str | None]
    origin: Mapped[str] = mapped_column(comment="bundled, file, youtube")
    words: Mapped[list[Any]] = mapped_column(JSONB, comment="[word, start_seconds] in spoken order")
    original: Mapped[bytes] = mapped_column(LargeBinary, comment="the caption file as it came")
    created_at: Mapped[Created]


class StrategySpec(Base):
    """A strategy written as data, with the evidence for each of its rules."""

    __tablename__ = "strategy_specs"
    __table_args__ = (
        UniqueConstraint("name", "spec_hash"),
        Index("ix_strategy_specs_newest", "name", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    spec_hash: Mapped[str]
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    transcript_id: Mapped[str | None] = mapped_column(ForeignKey("transcripts.id"))
    extraction: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="status, rules with quote and second, claims, refused, flags"
    )
    meaning: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="the rules in plain English, the conventions of its indicators, its assumptions"
    )
    created_at: Mapped[Created]


class Backtest(Base):
    """One run of a spec over one data version; running it again gives the same bytes."""

    __tablename__ = "backtests"
    __table_args__ = (Index("ix_backtests_newest", "spec_id", "id", postgresql_include=["excess_return"]),)

    id: Mapped[int] = mapped_column(primary_key=True)
    spec_id: Mapped[int] = mapped_column(ForeignKey("strategy_specs.id"), index=True)
    spec_hash: Mapped[str]
    data_version: Mapped[str]
    code_version: Mapped[str]
    seed: Mapped[int]
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="tickers, dates, cash, costs")
    first_session: Mapped[date]
    last_session: Mapped[date]
    initial_cash: Mapped[Money]
    final_equity: Mapped[Money]
    closed_trades: Mapped[int]
    open_trades: Mapped[int]
    stats: Mapped[dict[str, Any]] = mapped_column(JSONB)
    benchmark: Mapped[dict[str, Any]] = mapped_column(JSONB)
    trades: Mapped[list[Any]] = mapped_column(JSONB)
    equity: Mapped[list[Any]] = mapped_column(JSONB, comment="[timestamp, strategy, benchmark]")
    warnings: Mapped[list[Any]] = mapped_column(JSONB)
    excess_return: Mapped[float | None] = mapped_column(
        Computed(
            "CASE WHEN initial_cash > 0 THEN "
            "((final_equity - (benchmark ->> 'final_equity')::numeric) / initial_cash)::double precision END",
            persisted=True,
        ),
        comment="over the benchmark, as a ratio of the starting cash",
    )
    created_at: Mapped[Created]

    spec: Mapped[StrategySpec] = relationship()


class Verdict(Base):
    """What a backtest's evidence allows to be said, and every number it was said from."""

    __tablename__ = "verdicts"
    __table_args__ = (Index("ix_verdicts_of_backtest", "backtest_id", "verdict"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    backtest_id: Mapped[int] = mapped_column(ForeignKey("backtests.id"), unique=True)
    verdict: Mapped[str]
    reason: Mapped[str]
    inputs: Mapped[list[Any]] = mapped_column(JSONB)
    trials: Mapped[int]
    evidence: Mapped[dict[str, Any]] = mapped_column(
        JSONB,
        default=dict,
        comment="sweep, walk-forward, sensitivity, regimes, claims: what `falcon verdict --json` prints",
    )
    created_at: Mapped[Created]

    backtest: Mapped[Backtest] = relationship()


class Decision(Base):
    """A person's word on whether a strategy may be traded on paper; the newest of a spec counts."""

    __tablename__ = "decisions"
    __table_args__ = (CheckConstraint("choice IN ('approve', 'retire')", name="choice"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_key: Mapped[str | None] = mapped_column(unique=True, comment="the same press has the same key")
    spec_id: Mapped[int] = mapped_column(ForeignKey("strategy_specs.id"), index=True)
    choice: Mapped[str]
    decided_by: Mapped[str]
    created_at: Mapped[Created]


class Promotion(Base):
    """A strategy's way onto paper and off it, with the verdict and the decision it rests on."""

    __tablename__ = "promotions"

    id: Mapped[int] = mapped_column(primary_key=True)
    spec_id: Mapped[int] = mapped_column(ForeignKey("strategy_specs.id"), index=True)
    promoted: Mapped[bool]
    reason: Mapped[str]
    verdict_id: Mapped[int | None] = mapped_column(ForeignKey("verdicts.id"))
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decisions.id"))
    created_at: Mapped[Created]

    spec: Mapped[StrategySpec] = relationship()


class Trial(Base):
    """Every parameter set ever evaluated; the deflated Sharpe ratio counts them all."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("spec_family", "params_hash", "data_version"),
        Index("ix_trials_family", "spec_family"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    spec_family: Mapped[str] = mapped_column(comment="hash of the spec without its parameter values")
    params_hash: Mapped[str]
    data_version: Mapped[str]
    sharpe: Mapped[float | None]
    evaluated_at: Mapped[Moment]
