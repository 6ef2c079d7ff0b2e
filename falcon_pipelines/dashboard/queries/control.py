"""Halts of the paper accounts, and what people told them to do."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.values import PerShare, Value
from falcon_pipelines.db.models import AccountHalt, OperatorCommand


class HaltRow(Value):
    """A time in which an account made no entries; `until` is None while it lasts."""

    kind: str
    since: datetime
    until: datetime | None
    reason: str


class CommandRow(Value):
    """What a person told an account to do, and what came of it."""

    command: str
    target: str | None
    stop: PerShare | None
    requested_by: str
    requested_at: datetime
    applied_at: datetime | None
    result: str | None


def halts(session: Session, account_id: int, *, limit: int = 20) -> list[HaltRow]:
    """The halts of an account: those that last first, then the newest."""
    rows = session.scalars(
        select(AccountHalt)
        .where(AccountHalt.account_id == account_id)
        .order_by(AccountHalt.until.is_not(None), AccountHalt.since.desc())
        .limit(limit)
    )
    return [HaltRow(kind=row.kind, since=row.since, until=row.until, reason=row.reason) for row in rows]


def commands(session: Session, account_id: int, *, limit: int = 20) -> list[CommandRow]:
    """The newest commands to an account."""
    rows = session.scalars(
        select(OperatorCommand)
        .where(OperatorCommand.account_id == account_id)
        .order_by(OperatorCommand.id.desc())
        .limit(limit)
    )
    return [
        CommandRow(
            command=row.command,
            target=row.target,
            stop=row.stop,
            requested_by=row.requested_by,
            requested_at=row.requested_at,
            applied_at=row.applied_at,
            result=row.result,
        )
        for row in rows
    ]
