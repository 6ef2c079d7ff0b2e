"""What operators told an account, taken and answered once. Asking is `falcon_pipelines.db.commands`."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import OperatorCommand
from falcon_pipelines.trading.account import Outcome
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import CancelRequest, Command, EditStop, Request


def pending_commands(
    session: Session, account_id: int, asked_before: datetime | None = None
) -> dict[int, Request]:
    """Commands that wait for the next bar, by row id in order of request.

    They act on the next bar that is worked through, whatever time it has: a replay of old bars obeys too. With
    `asked_before` later ones still wait.
    """
    rows = session.scalars(
        select(OperatorCommand)
        .where(OperatorCommand.account_id == account_id, *_waiting(asked_before))
        .order_by(OperatorCommand.id)
    )
    return {row.id: _request(row) for row in rows}


def accounts_with_commands(session: Session, asked_before: datetime | None = None) -> frozenset[int]:
    """The accounts that have not obeyed something yet."""
    waiting = select(OperatorCommand.account_id).where(*_waiting(asked_before)).distinct()
    return frozenset(session.scalars(waiting))


def _waiting(asked_before: datetime | None) -> list[ColumnElement[bool]]:
    waits: list[ColumnElement[bool]] = [OperatorCommand.applied_at.is_(None)]
    return waits if asked_before is None else [*waits, OperatorCommand.requested_at < asked_before]


def _request(row: OperatorCommand) -> Request:
    at: datetime = row.requested_at
    if row.command == "cancel":
        return CancelRequest(_answer_name(row.id), at, row.target or "")
    if row.command == "edit_stop":
        return EditStop(_answer_name(row.id), at, row.target or "", row.stop or Decimal(0))
    return Command(at, row.command, row.target)  # type: ignore[arg-type]


def _answer_name(row_id: int) -> str:
    return f"command {row_id}"


def answer_commands(
    session: Session, commands: Mapping[int, Request], outcome: Outcome, moment: Moment
) -> None:
    """Write when each command took effect, and what came of it."""
    refused = {rejection.order: rejection.reason for rejection in outcome.rejections}
    for row_id in commands:
        session.execute(
            update(OperatorCommand)
            .where(OperatorCommand.id == row_id)
            .values(applied_at=moment.time, result=refused.get(_answer_name(row_id), "done"))
        )
