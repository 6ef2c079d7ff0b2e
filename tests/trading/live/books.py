"""Reading what the trader wrote, as a page would."""

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, select

from falcon_pipelines.db import models
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.orders import OrderRequest, Protection, usd
from falcon_pipelines.trading.store import account_named, submit


def hand_in(engine: Engine, *orders: OrderRequest, account: str = "candidates") -> int:
    """Submit orders as anyone may; how many are new."""
    with transaction(engine) as session:
        return submit(session, account_named(session, account), orders)


def buy(name: str, at: datetime, ticker: str = "X", quantity: int = 10, **more: Any) -> OrderRequest:
    protect = {k: more.pop(k) for k in ("stop", "target") if k in more}
    levels = {k: usd(v) for k, v in protect.items()}
    return OrderRequest(
        name, at, ticker, "buy", more.pop("type", "market"), quantity,
        protect=Protection(**levels, **more.pop("protect", {})) if levels or "protect" in more else None, **more,
    )  # fmt: skip


def fills(engine: Engine) -> list[tuple[str, int, float, tuple[str, ...]]]:
    """Order, shares, price and flags of each fill, by time."""
    with transaction(engine) as session:
        rows = session.scalars(
            select(models.Fill).order_by(models.Fill.filled_at, models.Fill.order_id, models.Fill.id)
        )
        return [(row.order_id, int(row.quantity), float(row.price), tuple(row.flags)) for row in rows]


def fill_hash(engine: Engine) -> str:
    """One number for every fill: id, order, bar, shares, price and fee."""
    digest = hashlib.sha256()
    with transaction(engine) as session:
        for row in session.scalars(select(models.Fill).order_by(models.Fill.id)):
            line = (
                f"{row.id}|{row.order_id}|{row.filled_at.isoformat()}|{row.quantity}|{row.price}|{row.fee}\n"
            )
            digest.update(line.encode())
    return digest.hexdigest()


def order(engine: Engine, name: str) -> models.Order:
    with transaction(engine) as session:
        row = session.get_one(models.Order, name)
        session.expunge(row)
        return row


def equity(engine: Engine) -> Decimal:
    with transaction(engine) as session:
        return session.scalars(
            select(models.AccountMark.equity).order_by(models.AccountMark.session.desc()).limit(1)
        ).one()


def told(engine: Engine, kind: str | None = None) -> list[str]:
    """Titles in the outbox, oldest first."""
    with transaction(engine) as session:
        query = select(models.Notification).order_by(models.Notification.id)
        return [row.title for row in session.scalars(query) if kind is None or row.kind == kind]
