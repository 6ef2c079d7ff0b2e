"""Between the ledger's values and its tables: what a row holds, and the value it becomes again.

No queries.
"""

from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Row, Table

from falcon_pipelines.db import models
from falcon_pipelines.trading.account import AccountState, Rules
from falcon_pipelines.trading.ledger import Entry, Leg
from falcon_pipelines.trading.orders import (
    Costs,
    Fill,
    Halt,
    Order,
    OrderRequest,
    PartialExit,
    Protection,
    Sizing,
)
from falcon_pipelines.trading.risk import Limits

SUBMITTED = "submitted"
_COLUMNS = ("id", "ticker", "side", "type", "role", "due", "status", "reason", "submitted_at")
ORDERS = cast(Table, models.Order.__table__)
REQUEST_COLUMNS = [
    getattr(models.Order, name)
    for name in ("id", "submitted_at", "ticker", "side", "type", "quantity", "limit", "stop", "detail")
]
"""What is read of an order that was handed in; as rows of columns, which cost a fraction of objects."""
_PROTECTION = tuple(field.name for field in fields(Protection))
_DOLLARS = ("cost", "reserve", "raise_at", "raise_to")


def entry_id(account_id: int, number: int) -> UUID:
    """The same entry has the same id, however often it is written."""
    return uuid5(NAMESPACE_URL, f"falcon:{account_id}:{number}")


def posting_rows(account_id: int, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Rows of `postings`, one for each leg."""
    return [
        {
            "entry_id": entry_id(account_id, entry.number),
            "leg": number,
            "account_id": account_id,
            "number": entry.number,
            "kind": entry.kind,
            "ledger": leg.ledger,
            "ticker": leg.ticker,
            "amount": leg.amount,
            "quantity": leg.quantity,
            "fill_id": entry.fill,
            "booked_at": entry.booked_at,
            "settles_on": leg.settles_on,
        }
        for entry in entries
        for number, leg in enumerate(entry.legs)
    ]


def entries_of(rows: Iterable[models.Posting]) -> list[Entry]:
    """Entries from postings in order of number and leg."""
    by_number: dict[int, list[models.Posting]] = {}
    for row in rows:
        by_number.setdefault(row.number, []).append(row)
    return [
        Entry(
            number=number,
            kind=legs[0].kind,  # type: ignore[arg-type]
            booked_at=legs[0].booked_at,
            legs=tuple(
                Leg(leg.ledger, leg.amount, leg.ticker, leg.quantity, leg.settles_on)  # type: ignore[arg-type]
                for leg in legs
            ),
            fill=legs[0].fill_id,
        )
        for number, legs in by_number.items()
    ]


def fill_row(fill: Fill) -> dict[str, Any]:
    """A row of `fills`."""
    return {
        "id": fill.id,
        "order_id": fill.order,
        "quantity": fill.quantity,
        "price": fill.price,
        "fee": fill.fee,
        "filled_at": fill.time,
        "flags": list(fill.flags),
    }


def order_row(account_id: int, order: Order) -> dict[str, Any]:
    """A row of the table `orders`; what has no column of its own is in `detail`."""
    return {
        **{name: getattr(order, name) for name in _COLUMNS},
        "account_id": account_id,
        "quantity": order.quantity,
        "limit_price": order.limit,
        "stop_price": order.stop,
        "trail_pct": None if order.trail_pct is None else Decimal(str(order.trail_pct)),
        "parent_id": order.parent,
        "sequence": order.sequence,
        "detail": {
            **{name: _text(getattr(order, name)) for name in _DOLLARS},
            "filled": order.filled,
            "trail_pct": order.trail_pct,
            "best": order.best,
            "triggered": order.triggered,
            "bars_left": order.bars_left,
            "edited": order.edited,
            "strategy": order.strategy,
            "profile": order.profile,
            "protect": _protection_data(order.protect),
            "sizing": None if order.sizing is None else asdict(order.sizing),
        },
    }


def order_of(row: models.Order) -> Order:
    """The order that a row describes."""
    detail = row.detail
    known: dict[str, Any] = {name: getattr(row, name) for name in _COLUMNS}
    known |= {name: _dollars(detail[name]) for name in _DOLLARS}
    return Order(
        **known,
        quantity=int(row.quantity),
        limit=row.limit,
        stop=row.stop,
        parent=row.parent_id,
        sequence=row.sequence,
        filled=detail["filled"],
        trail_pct=detail["trail_pct"],
        best=detail["best"],
        triggered=detail["triggered"],
        bars_left=detail["bars_left"],
        edited=detail["edited"],
        strategy=detail["strategy"],
        profile=detail.get("profile"),
        protect=_protection(detail["protect"]),
        sizing=_sizing(detail["sizing"]),
    )


def request_row(account_id: int, request: OrderRequest, place: int) -> dict[str, Any]:
    """A row of `orders` for an order that no bar has met yet; `place` orders those submitted together."""
    return {
        "id": request.id,
        "account_id": account_id,
        "ticker": request.ticker,
        "side": request.side,
        "type": request.type,
        "quantity": request.quantity or 0,
        "limit_price": request.limit,
        "stop_price": request.stop,
        "trail_pct": None if request.trail_pct is None else Decimal(str(request.trail_pct)),
        "parent_id": None,
        "role": "order",
        "due": None,
        "status": SUBMITTED,
        "reason": None,
        "submitted_at": request.at,
        "sequence": place,
        "detail": {
            "closes": request.closes,
            "trail_pct": request.trail_pct,
            "strategy": request.strategy,
            "profile": request.profile,
            "protect": _protection_data(request.protect),
            "sizing": None if request.sizing is None else asdict(request.sizing),
        },
    }


def request_of(row: Row[Any]) -> OrderRequest:
    """The order that was submitted, from its REQUEST_COLUMNS."""
    return OrderRequest(
        id=row.id,
        at=row.submitted_at,
        ticker=row.ticker,
        side=row.side,
        type=row.type,
        quantity=int(row.quantity) or None,
        limit=row.limit,
        stop=row.stop,
        trail_pct=row.detail["trail_pct"],
        protect=_protection(row.detail["protect"]),
        sizing=_sizing(row.detail["sizing"]),
        strategy=row.detail["strategy"],
        profile=row.detail.get("profile"),
        closes=row.detail["closes"],
    )


def halt_row(account_id: int, halt: Halt) -> dict[str, Any]:
    """A row of `account_halts`."""
    return {"account_id": account_id, **asdict(halt)}


def memory_data(state: AccountState) -> dict[str, Any]:
    """What an account remembers that does not follow from its postings and orders."""
    return {
        "session": None if state.session is None else state.session.isoformat(),
        "day_start_equity": str(state.day_start_equity),
        "peak_equity": str(state.peak_equity),
        "sequence": state.sequence,
        "cooling": {ticker: day.isoformat() for ticker, day in state.cooling.items()},
        "stop_exits": [day.isoformat() for day in state.stop_exits],
        "held_by": dict(state.held_by),
        "last_bars": {ticker: time.isoformat() for ticker, time in state.last_bars.items()},
        "lived": list(state.lived),
        "sectors": dict(state.sectors),
    }


def memory_of(data: dict[str, Any]) -> dict[str, Any]:
    """The fields of AccountState that `memory_data` wrote."""
    return {
        "session": date.fromisoformat(data["session"]) if data["session"] else None,
        "day_start_equity": Decimal(data["day_start_equity"]),
        "peak_equity": Decimal(data["peak_equity"]),
        "sequence": data["sequence"],
        "cooling": {ticker: date.fromisoformat(day) for ticker, day in data["cooling"].items()},
        "stop_exits": tuple(map(date.fromisoformat, data["stop_exits"])),
        "held_by": data["held_by"],
        "last_bars": {t: datetime.fromisoformat(time) for t, time in data.get("last_bars", {}).items()},
        "lived": tuple(data.get("lived", ())),
        "sectors": data.get("sectors", {}),
    }


def rules_data(rules: Rules) -> dict[str, Any]:
    """Costs and limits as plain data."""
    limits = {field.name: getattr(rules.limits, field.name) for field in fields(Limits)}
    return {"costs": asdict(rules.costs), "limits": {**limits, "sectors": dict(rules.limits.sectors)}}


def rules_of_data(data: dict[str, Any]) -> Rules:
    """The rules that `rules_data` wrote."""
    return Rules(Costs(**data["costs"]), Limits(**data["limits"]))


def _protection_data(protect: Protection | None) -> dict[str, Any] | None:
    if protect is None:
        return None
    data = {name: getattr(protect, name) for name in _PROTECTION}
    partial = [asdict(part) for part in protect.partial]
    return {**data, "stop": _text(protect.stop), "target": _text(protect.target), "partial": partial}


def _protection(data: dict[str, Any] | None) -> Protection | None:
    if data is None:
        return None
    partial = tuple(PartialExit(**part) for part in data["partial"])
    levels = {"stop": _dollars(data["stop"]), "target": _dollars(data["target"])}
    return Protection(**{**data, **levels, "partial": partial})


def _sizing(data: dict[str, Any] | None) -> Sizing | None:
    return None if data is None else Sizing(**data)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _dollars(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
