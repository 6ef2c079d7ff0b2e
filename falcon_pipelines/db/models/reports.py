"""What compute tells the pages about things that are not in this database: Dagster's runs and checks, files on disk.

Every row can be made again from where it came; nothing else reads these tables.
"""

from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Moment


class PipelineRun(Base):
    """A run of Dagster's, as it stood when it was last reported."""

    __tablename__ = "pipeline_runs"
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'canceled')", name="status"),
        Index("ix_pipeline_runs_status", "status", "created_at"),
        Index("ix_pipeline_runs_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, comment="Dagster's run id")
    job: Mapped[str]
    partition: Mapped[str | None] = mapped_column(comment="partition, or first to last of a range")
    status: Mapped[str]
    problem: Mapped[str | None] = mapped_column(comment="why it failed, in one line")
    created_at: Mapped[Moment]
    started_at: Mapped[Moment | None]
    ended_at: Mapped[Moment | None]
    updated_at: Mapped[Moment] = mapped_column(
        comment="when Dagster last changed it: reports go on from there"
    )


class CheckResult(Base):
    """The newest evaluation of an asset check, and those of the partitions that fail it."""

    __tablename__ = "check_results"

    asset: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[str] = mapped_column(primary_key=True, comment="empty: the check's newest evaluation")
    evaluated_partition: Mapped[str | None] = mapped_column(comment="what was evaluated; null: the whole run")
    passed: Mapped[bool]
    severity: Mapped[str] = mapped_column(comment="ERROR or WARN")
    description: Mapped[str | None]
    run_id: Mapped[str]
    evaluated_at: Mapped[Moment]
    storage_id: Mapped[int] = mapped_column(BigInteger, comment="Dagster's: larger is newer")


class DiskUsage(Base):
    """How much one part of the bar store takes on a node's disk."""

    __tablename__ = "disk_usage"

    node: Mapped[str] = mapped_column(primary_key=True)
    area: Mapped[str] = mapped_column(primary_key=True, comment="bars/day, history, quarantine, ..., free")
    files: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    measured_at: Mapped[Moment]


class QuarantineCount(Base):
    """How many lines of one session's file broke a rule, with one of them."""

    __tablename__ = "quarantine_counts"

    frequency: Mapped[str] = mapped_column(primary_key=True)
    session: Mapped[date] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(primary_key=True)
    lines: Mapped[int] = mapped_column(BigInteger)
    example_line: Mapped[int] = mapped_column(BigInteger, comment="its number in the source file")
    example: Mapped[str] = mapped_column(comment="the raw line, cut to 200 characters")


class CorporateActionRow(Base):
    """A split, dividend or delisting of the newest revision of the actions, the newest by ex-date."""

    __tablename__ = "corporate_actions"
    __table_args__ = (Index("ix_corporate_actions_ex_date", "ex_date"),)

    ticker: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    ex_date: Mapped[date] = mapped_column(primary_key=True)
    ratio: Mapped[float | None] = mapped_column(comment="new shares per old, for splits")
    amount: Mapped[float | None] = mapped_column(comment="US dollars per share")
    pay_date: Mapped[date | None]
    revision: Mapped[int] = mapped_column(comment="of the actions in the manifest")
