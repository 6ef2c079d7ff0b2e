"""How the machinery does: services and their heartbeats, runs and their failures, notifications, money for models."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import computed_field
from sqlalchemy import exists, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from falcon_pipelines.dashboard.cursors import Cursor
from falcon_pipelines.dashboard.values import Dollars, Page, Value
from falcon_pipelines.db.models import Feed, Heartbeat, LlmCall, Notification, PipelineRun

LATE = timedelta(seconds=90)
"""Services beat every 5 to 30 seconds."""
SILENT = timedelta(minutes=5)
FORGOTTEN = timedelta(days=7)
"""A service that has been silent this long was taken out of use: shown, but nobody is called for it."""


Standing = Literal["ok", "degraded", "stopped", "late", "silent"]


class ServiceRow(Value):
    """A service on a node and its last sign of life."""

    service: str
    node: str
    version: str
    state: str
    detail: str | None
    started_at: datetime
    beat_at: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def standing_now(self) -> Standing:
        """How it is at this moment."""
        return self.standing(datetime.now(UTC))

    def standing(self, now: datetime) -> Standing:
        """How it is, judged from its last beat."""
        if self.state == "stopping":
            return "stopped"
        age = now - self.beat_at
        if age > SILENT:
            return "silent"
        if age > LATE:
            return "late"
        return "ok" if self.state == "ok" else "degraded"


class FeedRow(Value):
    """A source of live bars and how it is doing."""

    name: str
    basis: str
    state: str
    detail: str | None
    last_bar_at: datetime | None
    updated_at: datetime


class RunRow(Value):
    """A run of the pipeline; `mended` when the same job has succeeded on the same partition since."""

    id: str
    job: str
    partition: str | None
    status: str
    problem: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    mended: bool


class NotificationRow(Value):
    """A message in the outbox: `sent_at` is None until somebody has it, `problem` why it has not gone."""

    id: int
    kind: str
    title: str
    body: str
    created_at: datetime
    sent_at: datetime | None
    problem: str | None


class Spend(Value):
    """What language models cost for one purpose since a time; `most` counts calls whose cost nobody told in full."""

    purpose: str
    calls: int
    failed: int
    cost: Dollars
    most: Dollars


def services(session: Session) -> list[ServiceRow]:
    """Every service that ever beat, by node and name."""
    rows = session.scalars(select(Heartbeat).order_by(Heartbeat.node, Heartbeat.service))
    return [
        ServiceRow(
            service=row.service,
            node=row.node,
            version=row.version,
            state=row.state,
            detail=row.detail,
            started_at=row.started_at,
            beat_at=row.beat_at,
        )
        for row in rows
    ]


def feeds(session: Session) -> list[FeedRow]:
    """The sources of live bars, by name."""
    rows = session.scalars(select(Feed).order_by(Feed.name))
    return [
        FeedRow(
            name=row.name,
            basis=row.basis,
            state=row.state,
            detail=row.detail,
            last_bar_at=row.last_bar_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


def runs(
    session: Session,
    *,
    statuses: tuple[str, ...] = (),
    since: datetime | None = None,
    after: Cursor | None = None,
    limit: int = 50,
) -> Page[RunRow]:
    """Runs, newest first."""
    later = aliased(PipelineRun)
    mended = exists().where(
        PipelineRun.status == "failed",
        later.status == "succeeded",
        later.created_at > PipelineRun.created_at,
        later.job == PipelineRun.job,
        later.partition.is_not_distinct_from(PipelineRun.partition),
    )
    query = (
        select(PipelineRun, mended.label("mended"))
        .order_by(PipelineRun.created_at.desc(), PipelineRun.id.desc())
        .limit(limit + 1)
    )
    if statuses:
        query = query.where(PipelineRun.status.in_(statuses))
    if since is not None:
        query = query.where(PipelineRun.created_at >= since)
    if after is not None:
        query = query.where(tuple_(PipelineRun.created_at, PipelineRun.id) < (after.at, after.id))
    rows = session.execute(query).all()
    items = [
        RunRow(
            id=run.id,
            job=run.job,
            partition=run.partition,
            status=run.status,
            problem=run.problem,
            created_at=run.created_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
            mended=mended_since,
        )
        for run, mended_since in rows[:limit]
    ]
    return Page(
        items=items,
        next=str(Cursor(at=items[-1].created_at, id=items[-1].id)) if len(rows) > limit else None,
    )


def notifications(session: Session, *, before: int | None = None, limit: int = 50) -> Page[NotificationRow]:
    """Notifications, newest first; `before` is the id that a page ended with."""
    query = select(Notification).order_by(Notification.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Notification.id < before)
    rows = session.scalars(query).all()
    items = [
        NotificationRow(
            id=row.id,
            kind=row.kind,
            title=row.title,
            body=row.body,
            created_at=row.created_at,
            sent_at=row.sent_at,
            problem=row.problem,
        )
        for row in rows[:limit]
    ]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)


def month_start(now: datetime) -> datetime:
    """The start of the calendar month that a budget counts, in UTC."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def llm_spend(session: Session, since: datetime) -> list[Spend]:
    """What language models cost since a time, by purpose."""
    known = func.coalesce(func.sum(LlmCall.cost_usd), Decimal(0))
    most = func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd))
    rows = session.execute(
        select(
            LlmCall.purpose,
            func.count(),
            func.count().filter(LlmCall.status != "ok"),
            known,
            most,
        )
        .where(LlmCall.started_at >= since)
        .group_by(LlmCall.purpose)
        .order_by(most.desc(), LlmCall.purpose)
    )
    return [Spend(purpose=row[0], calls=row[1], failed=row[2], cost=row[3], most=row[4]) for row in rows]
