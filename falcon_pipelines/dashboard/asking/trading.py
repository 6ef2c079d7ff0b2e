"""Whether an account can be told something, as far as the tables say now; its trader has the last word."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import Account, Order, PositionTotal
from falcon_pipelines.errors import InputError

WORKING = ("submitted", "open")
"""States of an order that can still be cancelled or edited."""
STOP_TYPES = ("stop", "stop_limit")
"""Orders whose stop a person may move; a trailing one moves by itself."""


class Refused(InputError):
    """What was asked for cannot be done; `field` is what to change, `status` the HTTP status of the API."""

    def __init__(self, message: str, *, status: int, field: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.field = field


def check_command(
    session: Session, account_id: int, command: str, target: str | None, confirm: str | None
) -> Account:
    """The account, if this command makes sense for it. Raises Refused."""
    account = session.get(Account, account_id)
    if account is None:
        raise Refused(f"There is no account {account_id}.", status=404)
    if account.closed_at is not None:
        raise Refused(f"The account {account.name} is closed.", status=409)
    if command == "flatten" and (confirm or "").strip() != account.name.strip():
        raise Refused("Type the account's name exactly as it is written.", status=400, field="confirm")
    if command == "close" and target is not None and not _is_held(session, account_id, target):
        raise Refused(f"The account holds no {target}.", status=409, field="target")
    if command in ("cancel", "edit_stop") and target is not None:
        _require_working_order(session, account_id, command, target)
    return account


def _is_held(session: Session, account_id: int, ticker: str) -> bool:
    held = session.scalar(
        select(PositionTotal.quantity).where(
            PositionTotal.account_id == account_id, PositionTotal.ticker == ticker
        )
    )
    return bool(held)


def _require_working_order(session: Session, account_id: int, command: str, order_id: str) -> None:
    order = session.get(Order, order_id)
    if order is None or order.account_id != account_id:
        raise Refused(f"The account has no order {order_id}.", status=404, field="target")
    if order.status not in WORKING:
        raise Refused(f"The order is {order.status} already.", status=409, field="target")
    if command == "edit_stop" and order.type not in STOP_TYPES:
        raise Refused(
            f"The order is a {order.type} order and has no stop to move.", status=409, field="target"
        )
