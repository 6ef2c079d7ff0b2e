"""Screening: profiles in all their versions, runs and their picks, what a model said, what came of it."""

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, Numeric, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from falcon_pipelines.db.models.base import Base, Created, Moment, Price

_SLOTS = "('morning', 'midday', 'evening')"


class ScreenProfile(Base):
    """One version of a screening profile; versions are added, never changed. The newest one counts."""

    __tablename__ = "screen_profiles"
    __table_args__ = (
        UniqueConstraint("name", "version"),
        CheckConstraint("origin IN ('bundled', 'person', 'proposal', 'restored')", name="origin"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int] = mapped_column(comment="1, 2, 3, ... of this name")
    title: Mapped[str]
    document: Mapped[str] = mapped_column(comment="the profile as YAML, as it was written")
    content: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="the same, validated, defaults filled in")
    content_hash: Mapped[str]
    origin: Mapped[str]
    note: Mapped[str | None]
    deleted: Mapped[bool] = mapped_column(default=False, comment="this version takes the profile out of use")
    saved_by: Mapped[str]
    created_at: Mapped[Created]


class ScreenRun(Base):
    """One profile applied to the market as it was known at one moment of a session; written once."""

    __tablename__ = "screen_runs"
    __table_args__ = (
        UniqueConstraint("profile", "profile_version", "session", "slot", "data_version", "attempt"),
        CheckConstraint(f"slot IN {_SLOTS}", name="slot"),
        CheckConstraint("state IN ('done', 'skipped')", name="state"),
        CheckConstraint("(state = 'skipped') = (reason IS NOT NULL)", name="reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    profile: Mapped[str]
    profile_version: Mapped[int | None] = mapped_column(comment="null: a profile that was never stored")
    session: Mapped[date] = mapped_column(index=True, comment="the session the run was made on")
    slot: Mapped[str] = mapped_column(
        default="evening", comment="morning 04:00, midday 10:00, evening 19:00 New York"
    )
    attempt: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(default="done")
    reason: Mapped[str | None] = mapped_column(comment="why it was skipped: what was missing, what to do")
    notes: Mapped[list[str]] = mapped_column(
        ARRAY(String), default=list, comment="what a reader of the picks should know"
    )
    data_version: Mapped[str]
    bars_session: Mapped[date | None] = mapped_column(comment="the newest session whose day bars it saw")
    reference_version: Mapped[str | None] = mapped_column(comment="sectors, fundamentals, earnings dates")
    seed: Mapped[int] = mapped_column(default=0, comment="of tie-breaking and shuffles")
    considered: Mapped[int] = mapped_column(default=0, comment="tickers with a bar")
    universe: Mapped[int] = mapped_column(comment="tickers that passed the filters: the candidate pool")
    judged_by: Mapped[str]
    horizon_sessions: Mapped[int | None]
    benchmark: Mapped[str | None]
    entry_session: Mapped[date | None] = mapped_column(comment="first session that opens after the run")
    exit_session: Mapped[date | None] = mapped_column(comment="the horizon closes with this session")
    forward: Mapped[bool] = mapped_column(
        default=False, comment="stored before the entry session opened: nothing of the outcome was known"
    )
    model_status: Mapped[str | None] = mapped_column(comment="null: not asked; ok; or why it does not count")
    model_detail: Mapped[str | None]
    model: Mapped[str | None] = mapped_column(comment="as the provider named it")
    model_cutoff: Mapped[date | None] = mapped_column(comment="the model knows nothing after this day")
    prompt_version: Mapped[int | None]
    agreement: Mapped[float | None] = mapped_column(comment="Kendall's W of the permutations, 0 to 1")
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 8))
    watched: Mapped[list[Any]] = mapped_column(
        JSONB, default=list, comment="each of the watchlist: ticker, rank if it passed, the filters it failed"
    )
    created_at: Mapped[Created]

    picks: Mapped[list["ScreenPick"]] = relationship(
        back_populates="run", order_by="ScreenPick.rank", cascade="all, delete-orphan"
    )
    judgements: Mapped[list["ScreenJudgement"]] = relationship(
        order_by="ScreenJudgement.permutation", cascade="all, delete-orphan"
    )


class ScreenPick(Base):
    """One candidate of a run, best first; those a model rejected come last."""

    __tablename__ = "screen_picks"

    run_id: Mapped[int] = mapped_column(ForeignKey("screen_runs.id", ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    ticker: Mapped[str] = mapped_column(index=True)
    score: Mapped[float]
    factors: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="name: value, in the feature's unit")
    contributions: Mapped[dict[str, Any]] = mapped_column(
        JSONB, default=dict, comment="name: {percentile, weight, points}; points sum to the score"
    )
    close: Mapped[Price]
    atr: Mapped[Price | None]
    entry_low: Mapped[Price]
    entry_high: Mapped[Price]
    stop: Mapped[Price]
    target: Mapped[Price]
    sector: Mapped[str | None]
    factor_rank: Mapped[int | None] = mapped_column(comment="rank by the factor score alone")
    model_rank: Mapped[float | None] = mapped_column(comment="median rank over the permutations")
    rejected: Mapped[bool] = mapped_column(default=False, comment="by most of the permutations")
    confidence: Mapped[Decimal | None] = mapped_column(comment="the model's, 0 to 1; null without a model")
    agreement: Mapped[float | None] = mapped_column(comment="of the permutations on this pick, 0 to 1")
    low_agreement: Mapped[bool] = mapped_column(default=False)
    model_note: Mapped[str | None]
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="what the model was shown of it")
    replies: Mapped[list[Any] | None] = mapped_column(JSONB, comment="what each permutation said of it")
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 8), comment="its share of the run's cost")

    run: Mapped[ScreenRun] = relationship(back_populates="picks")


class ScreenJudgement(Base):
    """One question put to a model about a run's finalists, in one order, and its reply."""

    __tablename__ = "screen_judgements"

    run_id: Mapped[int] = mapped_column(ForeignKey("screen_runs.id", ondelete="CASCADE"), primary_key=True)
    permutation: Mapped[int] = mapped_column(primary_key=True)
    ids: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="opaque id: ticker, in the order shown")
    system: Mapped[str]
    prompt: Mapped[str]
    status: Mapped[str] = mapped_column(comment="ok, malformed, or the client's status")
    detail: Mapped[str | None] = mapped_column(comment="why the reply was not used")
    reply: Mapped[str | None] = mapped_column(comment="the reply as JSON")
    provider: Mapped[str | None]
    model: Mapped[str | None]
    cached: Mapped[bool]
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 8))


class ScreenPool(Base):
    """Everything that passed a run's filters, with its score: what the picks were chosen from."""

    __tablename__ = "screen_pools"

    run_id: Mapped[int] = mapped_column(ForeignKey("screen_runs.id", ondelete="CASCADE"), primary_key=True)
    tickers: Mapped[list[str]] = mapped_column(ARRAY(String), comment="best first")
    scores: Mapped[list[float]] = mapped_column(ARRAY(Float))
    percentiles: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="factor: its percentile per ticker")


class ScreenOutcome(Base):
    """What a run's pool did from the entry session's open to the exit session's close."""

    __tablename__ = "screen_outcomes"

    run_id: Mapped[int] = mapped_column(ForeignKey("screen_runs.id", ondelete="CASCADE"), primary_key=True)
    data_version: Mapped[str]
    benchmark_return: Mapped[float | None] = mapped_column(comment="a fraction; null without its bars")
    returns: Mapped[list[float | None]] = mapped_column(
        ARRAY(Float), comment="per ticker of the pool, a fraction; null: could not be bought"
    )
    ended_early: Mapped[int] = mapped_column(comment="tickers whose last bar came before the exit session")
    measured_at: Mapped[Moment]


class ScreenRecord(Base):
    """The record of a profile as it stood at one time."""

    __tablename__ = "screen_records"
    __table_args__ = (Index("ix_screen_records_profile", "profile", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    profile: Mapped[str]
    runs: Mapped[int]
    picks: Mapped[int]
    verdict: Mapped[str] = mapped_column(comment="in words; insufficient (n of N) under the number needed")
    through: Mapped[date | None] = mapped_column(comment="exit session of the newest run that counts")
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[Created]


class ScreenProposal(Base):
    """Other weights for a profile, for a person to approve or reject."""

    __tablename__ = "screen_proposals"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'approved', 'rejected', 'reverted')", name="state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    profile: Mapped[str] = mapped_column(index=True)
    base_version: Mapped[int]
    current: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="factor: weight")
    proposed: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="factor: weight, shrunk to the current")
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(default="proposed")
    decided_by: Mapped[str | None]
    decided_at: Mapped[Moment | None]
    made_version: Mapped[int | None] = mapped_column(comment="the profile version that approval made")
    created_at: Mapped[Created]
