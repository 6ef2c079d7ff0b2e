"""The machinery over the API: services, runs, what waits, notifications, spending, the database."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query, Request

from falcon_pipelines.dashboard.api.parameters import (
    BAD_CURSOR,
    After,
    Before,
    Limit,
    api_router,
    read,
)
from falcon_pipelines.dashboard.cursors import parse_cursor
from falcon_pipelines.dashboard.database import Database
from falcon_pipelines.dashboard.queries import operations, system, waiting
from falcon_pipelines.dashboard.spending import Spending, spending
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Page

router = api_router("machinery")

RunStatus = Literal["queued", "running", "succeeded", "failed", "canceled"]


class SystemAnswer(system.SystemState):
    """The database, this program, and where the Dagster UI is."""

    version: str
    expected_revision: str
    dagster_url: str


@router.get("/system")
async def get_system(request: Request) -> SystemAnswer:
    """The database, when each stage last wrote, and whether the schema is the one this program expects."""
    database: Database = request.app.state.database
    state = await database.read(system.system_state)
    return SystemAnswer(
        **dict(state),
        version=request.app.version,
        expected_revision=database.expected_revision,
        dagster_url=surroundings().dagster_url,
    )


@router.get("/services")
async def get_services(request: Request) -> list[operations.ServiceRow]:
    """Every service that ever beat, by node and name."""
    return await read(request, operations.services)


@router.get("/feeds")
async def get_feeds(request: Request) -> list[operations.FeedRow]:
    """The sources of live bars."""
    return await read(request, operations.feeds)


@router.get("/runs", responses=BAD_CURSOR)
async def get_runs(
    request: Request,
    status: Annotated[list[RunStatus] | None, Query(max_length=5, description="any of these")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[operations.RunRow]:
    """Runs of the pipeline, newest first."""
    cursor = parse_cursor(after)
    return await read(
        request,
        lambda session: operations.runs(session, statuses=tuple(status or ()), after=cursor, limit=limit),
    )


@router.get("/waiting")
async def get_waiting(request: Request, limit: Limit = 100) -> list[waiting.WaitingRequest]:
    """Requests and commands that nobody has answered yet, the oldest first."""
    return await read(request, lambda session: waiting.waiting_requests(session, limit=limit))


@router.get("/notifications")
async def get_notifications(
    request: Request, before: Before = None, limit: Limit = 50
) -> Page[operations.NotificationRow]:
    """Notifications, newest first."""
    return await read(request, lambda session: operations.notifications(session, before=before, limit=limit))


@router.get("/spending")
async def get_spending(request: Request) -> Spending:
    """What language models cost this month, by purpose; times are UTC, as the budget counts."""
    since = operations.month_start(datetime.now(UTC))
    return spending(since, await read(request, lambda session: operations.llm_spend(session, since)))
