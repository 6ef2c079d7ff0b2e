"""The orders and fills of the paper accounts, newest first, page by page."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.cursors import Cursor
from falcon_pipelines.dashboard.queries.documents import text
from falcon_pipelines.dashboard.queries.tickers import is_ticker
from falcon_pipelines.dashboard.values import Dollars, Page, PerShare, Quantity, Value
from falcon_pipelines.db.models import Fill, Order


class OrderRow(Value):
    """An order and how much of it is filled; `due` is the session of a scheduled exit."""

    id: str
    account_id: int
    ticker: str
    side: str
    type: str
    quantity: Quantity
    filled: Quantity
    limit: PerShare | None
    stop: PerShare | None
    status: str
    reason: str | None
    submitted_at: datetime
    due: date | None


class FillRow(Value):
    """A trade of an order."""

    id: str
    order_id: str
    account_id: int
    ticker: str
    side: str
    quantity: Quantity
    price: PerShare
    fee: Dollars
    filled_at: datetime
    flags: list[str]


def orders(
    session: Session,
    *,
    account_id: int | None = None,
    ticker: str | None = None,
    status: str | None = None,
    after: Cursor | None = None,
    limit: int = 50,
) -> Page[OrderRow]:
    """Orders, newest first."""
    query = (
        select(Order, _filled().label("filled"))
        .where(*_matching(account_id, ticker))
        .order_by(Order.submitted_at.desc(), Order.id.desc())
        .limit(limit + 1)
    )
    if status is not None:
        query = query.where(Order.status == status)
    if after is not None:
        query = query.where(tuple_(Order.submitted_at, Order.id) < (after.at, after.id))
    rows = session.execute(query).all()
    items = [_order_row(order, filled) for order, filled in rows[:limit]]
    return Page(
        items=items,
        next=str(Cursor(at=items[-1].submitted_at, id=items[-1].id)) if len(rows) > limit else None,
    )


def order(session: Session, account_id: int, order_id: str) -> OrderRow | None:
    """One order of an account; None when it has none with this id."""
    found = session.execute(
        select(Order, _filled().label("filled")).where(Order.account_id == account_id, Order.id == order_id)
    ).one_or_none()
    return None if found is None else _order_row(*found)


def fills(
    session: Session,
    *,
    account_id: int | None = None,
    ticker: str | None = None,
    after: Cursor | None = None,
    limit: int = 50,
) -> Page[FillRow]:
    """Fills, newest first."""
    query = (
        select(Fill, Order)
        .join(Order, Fill.order_id == Order.id)
        .order_by(Fill.filled_at.desc(), Fill.id.desc())
        .limit(limit + 1)
    )
    if account_id is not None:
        query = query.where(Fill.account_id == account_id)
    if ticker is not None:
        query = query.where(is_ticker(Order.ticker, ticker), *_matching(account_id, None))
    if after is not None:
        query = query.where(tuple_(Fill.filled_at, Fill.id) < (after.at, after.id))
    rows = session.execute(query).all()
    items = [_fill_row(fill, order) for fill, order in rows[:limit]]
    return Page(
        items=items,
        next=str(Cursor(at=items[-1].filled_at, id=items[-1].id)) if len(rows) > limit else None,
    )


def _matching(account_id: int | None, ticker: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if account_id is not None:
        conditions.append(Order.account_id == account_id)
    if ticker is not None:
        conditions.append(is_ticker(Order.ticker, ticker))
    return conditions


def _filled() -> ColumnElement[Decimal]:
    return (
        select(func.coalesce(func.sum(Fill.quantity), 0))
        .where(Fill.order_id == Order.id)
        .correlate(Order)
        .scalar_subquery()
    )


def _order_row(order: Order, filled: Decimal) -> OrderRow:
    return OrderRow(
        id=order.id,
        account_id=order.account_id,
        ticker=order.ticker,
        side=order.side,
        type=order.type,
        quantity=order.quantity,
        filled=filled,
        limit=order.limit,
        stop=order.stop,
        status=order.status,
        reason=order.reason,
        submitted_at=order.submitted_at,
        due=order.due,
    )


def _fill_row(fill: Fill, order: Order) -> FillRow:
    return FillRow(
        id=fill.id,
        order_id=order.id,
        account_id=order.account_id,
        ticker=order.ticker,
        side=order.side,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        filled_at=fill.filled_at,
        flags=[flag for flag in map(text, fill.flags or []) if flag],
    )
