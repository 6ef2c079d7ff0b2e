"""The few bars that pages draw: one row a ticker, replaced as days pass. All bars are Parquet on the compute node."""

from datetime import date
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Moment


class PriceChart(Base):
    """The newest day bars of a ticker that was picked lately or is held, adjusted as they were known then."""

    __tablename__ = "price_charts"

    ticker: Mapped[str] = mapped_column(primary_key=True)
    synthetic: Mapped[bool]
    data_version: Mapped[str]
    as_of: Mapped[date] = mapped_column(comment="splits and dividends up to this session are adjusted for")
    bars: Mapped[list[Any]] = mapped_column(
        JSONB, comment="[session, open, high, low, close, volume], oldest first"
    )
    updated_at: Mapped[Moment]
