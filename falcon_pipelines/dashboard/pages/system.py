"""System: services and their heartbeats, runs that failed, the queue, spending, notifications, the database."""

from datetime import UTC, datetime

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.csv_export import csv_pages, csv_response
from falcon_pipelines.dashboard.cursors import Cursor as TimeAndId
from falcon_pipelines.dashboard.cursors import parse_cursor
from falcon_pipelines.dashboard.pages.page import Cursor, OptionalId, page_router, read
from falcon_pipelines.dashboard.queries import operations
from falcon_pipelines.dashboard.queries.system import SystemState, system_state
from falcon_pipelines.dashboard.queries.waiting import WaitingRequest, waiting_requests
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.spending import Spending, spending
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Page, Value

router = page_router()


class SystemView(Value):
    """All that the page shows."""

    state: SystemState
    services: list[operations.ServiceRow]
    feeds: list[operations.FeedRow]
    failed: Page[operations.RunRow]
    unfinished: list[operations.RunRow]
    waiting: list[WaitingRequest]
    spending: Spending
    notifications: Page[operations.NotificationRow]


@router.get("/system")
async def system(request: Request, failed_after: Cursor = None, told_before: OptionalId = None) -> Response:
    """What runs, what failed, what waits, what it costs."""
    database = request.app.state.database
    now = datetime.now(UTC)
    since = operations.month_start(now)
    cursor = parse_cursor(failed_after)

    def query(session: Session) -> SystemView:
        return SystemView(
            state=system_state(session),
            services=operations.services(session),
            feeds=operations.feeds(session),
            failed=operations.runs(session, statuses=("failed", "canceled"), after=cursor),
            unfinished=operations.runs(session, statuses=("queued", "running"), limit=100).items,
            waiting=waiting_requests(session),
            spending=spending(since, operations.llm_spend(session, since)),
            notifications=operations.notifications(session, before=told_before),
        )

    view, synthetic = await read(request, query)
    return render(
        request,
        "system.html",
        view=view,
        now=now,
        expected=database.expected_revision,
        version=request.app.version,
        surroundings=surroundings(),
        synthetic=synthetic,
    )


@router.get("/system/runs.csv")
async def runs_csv(request: Request) -> Response:
    """All reported runs."""

    async def fetch(after: TimeAndId | None, limit: int) -> Page[operations.RunRow]:
        return (await read(request, lambda session: operations.runs(session, after=after, limit=limit)))[0]

    return await csv_response("runs", operations.RunRow, fetch)


@router.get("/system/notifications.csv")
async def notifications_csv(request: Request) -> Response:
    """All notifications."""

    async def fetch(after: str | None, limit: int) -> Page[operations.NotificationRow]:
        before = None if after is None else int(after)
        page, _ = await read(
            request, lambda session: operations.notifications(session, before=before, limit=limit)
        )
        return page

    return await csv_pages("notifications", operations.NotificationRow, fetch)
