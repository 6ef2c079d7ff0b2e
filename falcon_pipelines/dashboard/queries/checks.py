"""What the asset checks found, as compute reported it."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import CheckResult


class CheckRow(Value):
    """One evaluation of a check; `partition` is None for one of the whole asset or run."""

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
    newest = (
        select(CheckResult)
        .distinct(CheckResult.asset, CheckResult.name)
        .order_by(CheckResult.asset, CheckResult.name, CheckResult.storage_id.desc())
        .subquery()
    )
    failing = (
        select(CheckResult.asset, CheckResult.name, func.count().label("failing"))
        .where(~CheckResult.passed, CheckResult.partition != "")
        .group_by(CheckResult.asset, CheckResult.name)
        .subquery()
    )
    rows = session.execute(
        select(newest, func.coalesce(failing.c.failing, 0).label("failing"))
        .outerjoin(failing, (failing.c.asset == newest.c.asset) & (failing.c.name == newest.c.name))
        .order_by(newest.c.passed, newest.c.asset, newest.c.name)
    )
    return [CheckSummary(newest=_row(row), failing=row.failing) for row in rows]


def failed_checks(session: Session, *, limit: int = 200) -> list[CheckRow]:
    """Failed evaluations that no newer one of the same partition has mended, newest first."""
    rows = session.scalars(
        select(CheckResult)
        .where(~CheckResult.passed)
        .order_by(CheckResult.evaluated_at.desc(), CheckResult.storage_id.desc())
        .limit(limit)
    )
    return [_row(row) for row in rows]


def _row(row: Any) -> CheckRow:
    return CheckRow(
        asset=row.asset,
        name=row.name,
        partition=row.partition or None,
        passed=row.passed,
        severity=row.severity,
        description=row.description,
        run_id=row.run_id,
        evaluated_at=row.evaluated_at,
    )
