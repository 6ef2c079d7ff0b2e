"""Every paper account in a few numbers, from the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.trading.orders import Halt
from falcon_pipelines.trading.store import load_account


@dataclass(frozen=True)
class AccountOverview:
    """An account after the last session it has worked through; dollars and shares."""

    name: str
    session: date | None
    closed_at: datetime | None
    equity: Decimal
    cash: Decimal
    settled_cash: Decimal
    realised: Decimal
    positions: Mapping[str, int]
    halts: tuple[Halt, ...]


def account_overviews(session: Session) -> list[AccountOverview]:
    """All accounts, in order of opening."""
    mark = models.AccountMark
    rows = session.execute(
        select(models.Account.id, models.Account.name, models.Account.closed_at, func.max(mark.session))
        .outerjoin(mark, mark.account_id == models.Account.id)
        .group_by(models.Account.id)
        .order_by(models.Account.id)
    ).all()
    found = []
    for account_id, name, closed_at, last in rows:
        state = load_account(session, account_id).state
        books = state.books
        found.append(
            AccountOverview(
                name=name,
                session=last,
                closed_at=closed_at,
                equity=state.equity,
                cash=books.cash,
                settled_cash=books.settled_cash,
                realised=books.realised,
                positions={ticker: books.quantity(ticker) for ticker in sorted(books.lots)},
                halts=state.halts,
            )
        )
    return found
