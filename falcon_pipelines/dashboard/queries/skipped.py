"""Candidates that were not bought: by which rule, and what they would have come to."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import texts
from falcon_pipelines.dashboard.queries.tickers import is_ticker
from falcon_pipelines.dashboard.values import Page, PerShare, Ratio, Value
from falcon_pipelines.db.models import SkippedTrade


class SkippedRow(Value):
    """A trade that was not made; `outcome` is None until it is known."""

    id: int
    session: date
    ticker: str
    profiles: list[str]
    strategy: str | None
    account_id: int | None
    rule: str
    reason: str
    skipped_at: datetime
    entry_low: PerShare
    entry_high: PerShare
    stop: PerShare
    target: PerShare
    outcome: str | None
    outcome_return: Ratio | None
    scored_through: date | None


def skipped_trades(
    session: Session, *, ticker: str | None = None, before: int | None = None, limit: int = 50
) -> Page[SkippedRow]:
    """Skipped trades, newest first; `before` is the id that a page ended with."""
    query = select(SkippedTrade).order_by(SkippedTrade.id.desc()).limit(limit + 1)
    if ticker is not None:
        query = query.where(is_ticker(SkippedTrade.ticker, ticker))
    if before is not None:
        query = query.where(SkippedTrade.id < before)
    rows = session.scalars(query).all()
    items = [_row(row) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)


def _row(row: SkippedTrade) -> SkippedRow:
    return SkippedRow(
        id=row.id,
        session=row.session,
        ticker=row.ticker,
        profiles=texts(row.profiles),
        strategy=row.strategy,
        account_id=row.account_id,
        rule=row.rule,
        reason=row.reason,
        skipped_at=row.skipped_at,
        entry_low=row.entry_low,
        entry_high=row.entry_high,
        stop=row.stop,
        target=row.target,
        outcome=row.outcome,
        outcome_return=row.outcome_return,
        scored_through=row.scored_through,
    )
