"""What people are told of an account: messages into the outbox, in the transaction of what they tell, and log lines."""

import logging

from sqlalchemy.orm import Session

from falcon_pipelines.db.notifications import Notice, notify_all
from falcon_pipelines.trading.account import AccountState, Outcome
from falcon_pipelines.trading.orders import Fill, Halt, Order
from falcon_pipelines.trading.turn import STOP_ROLES

log = logging.getLogger(__name__)


def tell(session: Session, before: AccountState, outcome: Outcome) -> None:
    """Put fills, refusals and new halts of an account in the outbox, each once however often it is written."""
    name = outcome.state.name
    orders = {**before.orders, **{order.id: order for order in outcome.orders}}
    notices = [_fill_notice(name, fill, orders.get(fill.order)) for fill in outcome.fills]
    notices += [
        Notice(
            f"reject:{name}:{refused.order}",
            "reject",
            f"Refused: {refused.order}",
            f"{name}: {refused.reason}",
        )
        for refused in outcome.rejections
    ]
    notices += [_halt_notice(name, halt) for halt in outcome.state.halts if halt not in before.halts]
    notify_all(session, notices)


def _halt_notice(name: str, halt: Halt) -> Notice:
    kind = "reconciliation" if halt.kind == "reconciliation" else "halt"
    key = f"halt:{name}:{halt.kind}:{halt.since.isoformat()}"
    return Notice(key, kind, f"{name}: entries are halted", f"{halt.kind}: {halt.reason}. Exits still run.")


def _fill_notice(name: str, fill: Fill, order: Order | None) -> Notice:
    kind = "stop" if order is not None and order.role in STOP_ROLES else "fill"
    return Notice(f"fill:{fill.id}", kind, _fill_title(fill), _fill_body(name, fill, order))


def log_trades(account: str, outcome: Outcome) -> None:
    """A line for each fill and each refusal."""
    for fill in outcome.fills:
        log.info(
            "fill",
            extra={
                "account": account, "order": fill.order, "ticker": fill.ticker, "side": fill.side,
                "quantity": fill.quantity, "price": str(fill.price), "bar": fill.time.isoformat(),
                "flags": list(fill.flags),
            },
        )  # fmt: skip
    for refused in outcome.rejections:
        log.info("refused", extra={"account": account, "order": refused.order, "reason": refused.reason})


def _fill_title(fill: Fill) -> str:
    verb = "Bought" if fill.side == "buy" else "Sold"
    return f"{verb} {fill.quantity:,} {fill.ticker} at {fill.price:,.4f}".rstrip("0").rstrip(".")


def _fill_body(name: str, fill: Fill, order: Order | None) -> str:
    parts = [name, f"order {fill.order}", f"{fill.time:%Y-%m-%dT%H:%MZ}"]
    if order is not None and order.role != "order":
        parts.append(f"by its {order.role}")
    return ", ".join([*parts, *fill.flags])
