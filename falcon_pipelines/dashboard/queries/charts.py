"""The day bars that a page draws for one ticker."""

from datetime import date, datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import number
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import PriceChart


class Candle(Value):
    """One session's bar, adjusted; US dollars per share."""

    session: date
    open: float
    high: float
    low: float
    close: float
    volume: float


class Chart(Value):
    """The newest bars of a ticker, oldest first, adjusted for splits and dividends up to `as_of`."""

    ticker: str
    synthetic: bool
    data_version: str
    as_of: date
    updated_at: datetime
    candles: list[Candle]


def chart(session: Session, ticker: str) -> Chart | None:
    """None when no bars of this ticker are kept for drawing."""
    row = session.get(PriceChart, ticker)
    if row is None:
        return None
    return Chart(
        ticker=row.ticker,
        synthetic=row.synthetic,
        data_version=row.data_version,
        as_of=row.as_of,
        updated_at=row.updated_at,
        candles=[candle for candle in map(_candle, row.bars if isinstance(row.bars, list) else []) if candle],
    )


def has_chart(session: Session, ticker: str) -> bool:
    """Whether bars of this ticker are kept for drawing."""
    return bool(session.scalar(select(exists().where(PriceChart.ticker == ticker))))


def _candle(bar: object) -> Candle | None:
    if not isinstance(bar, list) or len(bar) != 6:
        return None
    values = [number(value) for value in bar[1:]]
    try:
        session = date.fromisoformat(str(bar[0]))
    except ValueError:
        return None
    if any(value is None for value in values):
        return None
    opened, high, low, close, volume = (value or 0.0 for value in values)
    return Candle(session=session, open=opened, high=high, low=low, close=close, volume=volume)
