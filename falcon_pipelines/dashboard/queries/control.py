"""Halts of the paper accounts, and what people told them to do."""

from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.cursors import Cursor
from falcon_pipelines.dashboard.values import Page, PerShare, Value
from falcon_pipelines.db.models import AccountHalt, OperatorCommand


class HaltRow(Value):
    """A time in which an account made no entries; `until` is None while it lasts."""

    kind: str
    since: datetime
    until: datetime | None
    reason: str


class CommandRow(Value):
    """What a person told an account to do, and what came of it."""

    id: int
    command: str
    target: str | None
    stop: PerShare | None
    requested_by: str
    requested_at: datetime
    applied_at: datetime | None
    result: str | None


HaltPlace = tuple[bool, datetime, str]


def halts(
    session: Session, account_id: int, *, after: HaltPlace | None = None, limit: int = 20
) -> Page[HaltRow]:
    """The halts of an account: those that last first, then the newest."""
    place = (AccountHalt.until.is_(None), AccountHalt.since, AccountHalt.kind)
    query = (
        select(AccountHalt)
        .where(AccountHalt.account_id == account_id)
        .order_by(*(part.desc() for part in place))
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(tuple_(*place) < after)
    rows = session.scalars(query).all()
    items = [
        HaltRow(kind=row.kind, since=row.since, until=row.until, reason=row.reason) for row in rows[:limit]
    ]
    last = items[-1] if len(rows) > limit else None
    return Page(items=items, next=None if last is None else halt_cursor(last))


def halt_cursor(row: HaltRow) -> str:
    """Where a page of halts ends."""
    return str(Cursor(at=row.since, id=f"{'lasts' if row.until is None else 'over'} {row.kind}"))


def parsed_halt_cursor(cursor: Cursor | None) -> HaltPlace | None:
    """What `halt_cursor` wrote."""
    if cursor is None:
        return None
    state, _, kind = cursor.id.partition(" ")
    return state == "lasts", cursor.at, kind


def commands(
    session: Session, account_id: int, *, before: int | None = None, limit: int = 20
) -> Page[CommandRow]:
    """The newest commands to an account; `before` is the id that a page ended with."""
    query = (
        select(OperatorCommand)
        .where(OperatorCommand.account_id == account_id)
        .order_by(OperatorCommand.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(OperatorCommand.id < before)
    rows = session.scalars(query).all()
    items = [
        CommandRow(
            id=row.id,
            command=row.command,
            target=row.target,
            stop=row.stop,
            requested_by=row.requested_by,
            requested_at=row.requested_at,
            applied_at=row.applied_at,
            result=row.result,
        )
        for row in rows[:limit]
    ]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)
