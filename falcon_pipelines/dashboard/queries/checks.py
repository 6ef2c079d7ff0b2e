"""What the asset checks found, as compute reported it."""

from datetime import datetime

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.cursors import Cursor, whole_number
from falcon_pipelines.dashboard.values import Page, Value
from falcon_pipelines.db.models import CheckResult


class CheckRow(Value):
    """One evaluation of a check; `partition` is None for one of a whole run."""

    asset: str
    name: str
    partition: str | None
    passed: bool
    severity: str
    description: str | None
    run_id: str
    evaluated_at: datetime


class CheckSummary(Value):
    """A check by its newest evaluation, and how many partitions fail it by theirs."""

    newest: CheckRow
    failing: int


def check_summaries(session: Session) -> list[CheckSummary]:
    """Every check that was ever evaluated: the failing ones first."""
    failing = (
        select(CheckResult.asset, CheckResult.name, func.count().label("failing"))
        .where(~CheckResult.passed, CheckResult.partition != "")
        .group_by(CheckResult.asset, CheckResult.name)
        .subquery()
    )
    rows = session.execute(
        select(CheckResult, func.coalesce(failing.c.failing, 0).label("failing"))
        .outerjoin(failing, (failing.c.asset == CheckResult.asset) & (failing.c.name == CheckResult.name))
        .where(CheckResult.partition == "")
        .order_by(CheckResult.passed, CheckResult.asset, CheckResult.name)
    )
    return [CheckSummary(newest=_row(check), failing=failing) for check, failing in rows]


def failed_checks(
    session: Session, *, after: tuple[datetime, int] | None = None, limit: int = 50
) -> Page[CheckRow]:
    """The partitions that fail a check by their newest evaluation, the newest first."""
    query = (
        select(CheckResult)
        .where(~CheckResult.passed, CheckResult.partition != "")
        .order_by(CheckResult.evaluated_at.desc(), CheckResult.storage_id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(tuple_(CheckResult.evaluated_at, CheckResult.storage_id) < after)
    rows = session.scalars(query).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        items=[_row(row) for row in rows[:limit]],
        next=None if last is None else str(Cursor(at=last.evaluated_at, id=str(last.storage_id))),
    )


def parsed_check_cursor(cursor: Cursor | None) -> tuple[datetime, int] | None:
    """Where a page of failed checks ended. Raises InvalidCursor."""
    return None if cursor is None else (cursor.at, whole_number(cursor.id))


def _row(row: CheckResult) -> CheckRow:
    return CheckRow(
        asset=row.asset,
        name=row.name,
        partition=row.evaluated_partition,
        passed=row.passed,
        severity=row.severity,
        description=row.description,
        run_id=row.run_id,
        evaluated_at=row.evaluated_at,
    )
