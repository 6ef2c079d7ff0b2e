"""The JSON API of what the pages Data and System show: checks, disks, runs, services, notifications, spending."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from falcon_pipelines.dashboard.cursors import parse_cursor
from falcon_pipelines.dashboard.database import Database
from falcon_pipelines.dashboard.queries import checks, coverage, operations, store
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Dollars, Page, Problem, Value

router = APIRouter()

Limit = Annotated[int, Query(ge=1, le=500)]
After = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]
Before = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`next` of the page before")]
RunStatus = Literal["queued", "running", "succeeded", "failed", "canceled"]


class Spending(Value):
    """What language models cost this month, beside what they may."""

    since: datetime
    monthly_budget: Dollars
    run_budget: Dollars
    spent: Dollars
    purposes: list[operations.Spend]


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


@router.get("/services")
async def get_services(request: Request) -> list[operations.ServiceRow]:
    """Every service that ever beat, by node and name."""
    return await _database(request).read(operations.services)


@router.get("/feeds")
async def get_feeds(request: Request) -> list[operations.FeedRow]:
    """The sources of live bars."""
    return await _database(request).read(operations.feeds)


@router.get("/runs", responses={400: {"model": Problem}})
async def get_runs(
    request: Request, status: RunStatus | None = None, limit: Limit = 50, after: After = None
) -> Page[operations.RunRow]:
    """Runs of the pipeline, newest first."""
    cursor = parse_cursor(after)
    statuses = () if status is None else (status,)
    return await _database(request).read(
        lambda session: operations.runs(session, statuses=statuses, after=cursor, limit=limit)
    )


@router.get("/notifications")
async def get_notifications(
    request: Request, before: Before = None, limit: Limit = 50
) -> Page[operations.NotificationRow]:
    """Notifications, newest first."""
    return await _database(request).read(
        lambda session: operations.notifications(session, before=before, limit=limit)
    )


@router.get("/spending")
async def get_spending(request: Request) -> Spending:
    """What language models cost this month, by purpose; times are UTC, as the budget counts."""
    since = operations.month_start(datetime.now(UTC))
    purposes = await _database(request).read(lambda session: operations.llm_spend(session, since))
    return spending(since, purposes)


def spending(since: datetime, purposes: list[operations.Spend]) -> Spending:
    """The month's spending beside the budgets of this process's settings."""
    known = surroundings()
    return Spending(
        since=since,
        monthly_budget=known.llm_monthly_budget_usd,
        run_budget=known.llm_run_budget_usd,
        spent=sum((purpose.most for purpose in purposes), start=purposes[0].most * 0)
        if purposes
        else known.llm_monthly_budget_usd * 0,
        purposes=purposes,
    )


@router.get("/checks")
async def get_checks(request: Request) -> list[checks.CheckSummary]:
    """Every data check by its newest evaluation, the failing ones first."""
    return await _database(request).read(checks.check_summaries)


@router.get("/checks/failed")
async def get_failed_checks(request: Request, limit: Limit = 50) -> list[checks.CheckRow]:
    """Failed evaluations that no newer one has mended, newest first."""
    return await _database(request).read(lambda session: checks.failed_checks(session, limit=limit))


@router.get("/data/disk")
async def get_disk(request: Request) -> list[store.Area]:
    """What the bar store takes on disk, as compute last measured it."""
    return await _database(request).read(store.disk_usage)


@router.get("/data/quarantine")
async def get_quarantine(request: Request, limit: Limit = 50) -> list[store.QuarantineRow]:
    """Why lines of source files were refused, newest sessions first."""
    return await _database(request).read(lambda session: store.quarantine(session, limit=limit))


@router.get("/data/revisions")
async def get_revisions(request: Request, limit: Limit = 50) -> list[store.RevisionRow]:
    """Sessions whose source file was replaced, newest replacement first."""
    return await _database(request).read(lambda session: store.revisions(session, limit=limit))


@router.get("/data/actions", responses={400: {"model": Problem}})
async def get_actions(
    request: Request,
    ticker: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9.\-/ ]{1,20}$")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[store.ActionRow]:
    """Splits, dividends and delistings, newest ex-date first."""
    cursor = store.parsed_action_cursor(parse_cursor(after))
    return await _database(request).read(
        lambda session: store.corporate_actions(session, ticker=ticker, after=cursor, limit=limit)
    )


@router.get("/data/log")
async def get_log(
    request: Request,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before")] = None,
    limit: Limit = 50,
) -> Page[coverage.LogEntry]:
    """Additions to the bar store, newest first."""
    return await _database(request).read(
        lambda session: coverage.newest_entries(session, before=before, limit=limit)
    )
