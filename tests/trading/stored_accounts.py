"""An order script through a paper account in PostgreSQL, and what the tables say afterwards."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, func, select

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.moments import regular_moments
from falcon_pipelines.trading.orders import OrderRequest
from falcon_pipelines.trading.reconciliation import broken_books
from falcon_pipelines.trading.replay import bars_by_time
from falcon_pipelines.trading.script import parse_script
from falcon_pipelines.trading.store import create_account, submit
from falcon_pipelines.trading.writer import Trader

Traded = tuple[str, str, int, float]
"""Order, side, shares, price."""


@dataclass
class Stored:
    """What the tables hold; money in dollars."""

    fills: list[Traded]
    flags: dict[str, list[str]]
    filled_on: list[str]
    orders: dict[str, models.Order]
    cash: Decimal
    realised: Decimal
    held: dict[str, tuple[int, Decimal]]

    def reason(self, order: str) -> str:
        assert self.orders[order].status == "rejected"
        return self.orders[order].reason or ""


def stored(
    engine: Engine, bars: Panel, *orders: dict[str, Any], cash: float = 10_000, **script: Any
) -> Stored:
    """Submit the orders, work through the bars with a new trader for each, and read the tables."""
    parsed = parse_script({"cash": cash, "orders": list(orders), **script})
    moments = regular_moments(bars)
    with transaction(engine) as session:
        account = create_account(session, "paper", parsed.cash, moments[0][1].starts, parsed.rules)
        submit(session, account, [item for item in parsed.requests if isinstance(item, OrderRequest)])
    done = 0
    for moment, of_time in bars_by_time(bars, moments, bars.tickers):
        due = done
        while due < len(parsed.actions) and parsed.actions[due].at <= moment.starts:
            due += 1
        Trader(engine, account).work(moment, of_time, parsed.actions[done:due])
        done = due
    with transaction(engine) as session:
        assert broken_books(session) == {}
    return read(engine)


def read(engine: Engine) -> Stored:
    """The one account of a database."""
    posting = models.Posting
    with transaction(engine) as session:
        rows = session.execute(
            select(models.Fill, models.Order)
            .join(models.Order, models.Fill.order_id == models.Order.id)
            .order_by(models.Fill.filled_at, models.Order.sequence)
        ).all()
        balances = dict(
            session.execute(select(posting.ledger, func.sum(posting.amount)).group_by(posting.ledger)).all()
        )
        held = session.execute(
            select(posting.ticker, func.sum(posting.quantity), func.sum(posting.amount))
            .where(posting.ledger == "securities")
            .group_by(posting.ticker)
        ).all()
        orders = {row.id: row for row in session.scalars(select(models.Order))}
        found = Stored(
            fills=[(o.id, o.side, int(f.quantity), float(f.price)) for f, o in rows],
            flags={o.id: list(f.flags) for f, o in rows},
            filled_on=[f"{f.filled_at:%Y-%m-%d}" for f, _ in rows],
            orders=orders,
            cash=balances.get("cash", Decimal(0)) + balances.get("unsettled", Decimal(0)),
            realised=-balances.get("realised", Decimal(0)),
            held={ticker: (int(quantity), cost) for ticker, quantity, cost in held if quantity},
        )
        session.expunge_all()
        return found
