"""Screening runs and their picks."""

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from falcon_pipelines.db.models.base import Base, Created, Price


class ScreenRun(Base):
    """One profile applied to one session's market."""

    __tablename__ = "screen_runs"
    __table_args__ = (UniqueConstraint("profile", "session", "data_version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    profile: Mapped[str]
    session: Mapped[date] = mapped_column(index=True)
    data_version: Mapped[str]
    universe: Mapped[int] = mapped_column(comment="tickers that passed the filters")
    judged_by: Mapped[str]
    created_at: Mapped[Created]

    picks: Mapped[list["ScreenPick"]] = relationship(
        back_populates="run", order_by="ScreenPick.rank", cascade="all, delete-orphan"
    )


class ScreenPick(Base):
    """One candidate of a run, best first."""

    __tablename__ = "screen_picks"

    run_id: Mapped[int] = mapped_column(ForeignKey("screen_runs.id", ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    ticker: Mapped[str] = mapped_column(index=True)
    score: Mapped[float]
    factors: Mapped[dict[str, Any]] = mapped_column(JSONB)
    close: Mapped[Price]
    entry_low: Mapped[Price]
    entry_high: Mapped[Price]
    stop: Mapped[Price]
    target: Mapped[Price]
    confidence: Mapped[Decimal | None]

    run: Mapped[ScreenRun] = relationship(back_populates="picks")
