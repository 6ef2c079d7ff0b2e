"""Data: which sessions are stored, what checks and quarantine say, what was replaced, what it takes on disk."""

from typing import Annotated

from fastapi import Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.csv_export import csv_pages, csv_response
from falcon_pipelines.dashboard.cursors import Cursor as TimeAndId
from falcon_pipelines.dashboard.cursors import parse_cursor
from falcon_pipelines.dashboard.pages.page import (
    Cursor,
    OptionalText,
    given,
    page_router,
    read,
    read_labelled,
)
from falcon_pipelines.dashboard.queries import store
from falcon_pipelines.dashboard.queries.checks import (
    CheckRow,
    CheckSummary,
    check_summaries,
    failed_checks,
    parsed_check_cursor,
)
from falcon_pipelines.dashboard.queries.coverage import Coverage, LogEntry, coverage, newest_entries
from falcon_pipelines.dashboard.queries.market_data import DataHealth, data_health
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Page, Value

router = page_router()

EntryBefore = Annotated[int | None, Query(ge=1, le=2**62)]


class DataView(Value):
    """All that the page shows."""

    health: DataHealth
    calendar: Coverage
    checks: list[CheckSummary]
    failed: Page[CheckRow]
    quarantine: Page[store.QuarantineRow]
    revisions: Page[store.RevisionRow]
    actions: Page[store.ActionRow]
    disk: list[store.Area]
    log: Page[LogEntry]


@router.get("/data")
async def data(
    request: Request,
    frequency: OptionalText = None,
    year: Annotated[int | None, Query(ge=1900, le=2200)] = None,
    ticker: OptionalText = None,
    failed_after: Cursor = None,
    quarantine_after: Cursor = None,
    revisions_before: EntryBefore = None,
    actions_after: Cursor = None,
    log_before: EntryBefore = None,
) -> Response:
    """The bar store."""
    wanted = given(ticker)
    failed_place = parsed_check_cursor(parse_cursor(failed_after))
    quarantine_place = store.parsed_quarantine_cursor(parse_cursor(quarantine_after))
    actions_place = store.parsed_action_cursor(parse_cursor(actions_after))

    def query(session: Session) -> DataView:
        return DataView(
            health=data_health(session),
            calendar=coverage(session, given(frequency), year),
            checks=check_summaries(session),
            failed=failed_checks(session, after=failed_place),
            quarantine=store.quarantine(session, after=quarantine_place),
            revisions=store.revisions(session, before=revisions_before),
            actions=store.corporate_actions(session, ticker=wanted, after=actions_place),
            disk=store.disk_usage(session),
            log=newest_entries(session, before=log_before),
        )

    view = await read_labelled(request, query)
    return render(
        request,
        "data.html",
        view=view,
        data=view.health,
        calendar=view.calendar,
        ticker=wanted,
        surroundings=surroundings(),
        synthetic=view.health.synthetic,
    )


@router.get("/data/actions.csv")
async def actions_csv(request: Request, ticker: OptionalText = None) -> Response:
    """All reported corporate actions that match."""

    async def fetch(after: TimeAndId | None, limit: int) -> Page[store.ActionRow]:
        wanted = given(ticker)
        place = store.parsed_action_cursor(after)
        page, _ = await read(
            request,
            lambda session: store.corporate_actions(session, ticker=wanted, after=place, limit=limit),
        )
        return page

    return await csv_response("corporate-actions", store.ActionRow, fetch)


@router.get("/data/log.csv")
async def log_csv(request: Request) -> Response:
    """Everything that was ever added."""

    async def fetch(after: str | None, limit: int) -> Page[LogEntry]:
        before = None if after is None else int(after)
        page, _ = await read(request, lambda session: newest_entries(session, before=before, limit=limit))
        return page

    return await csv_pages("additions", LogEntry, fetch)


@router.get("/data/quarantine.csv")
async def quarantine_csv(request: Request) -> Response:
    """Why lines were refused, of all sessions that compute reported."""

    async def fetch(after: TimeAndId | None, limit: int) -> Page[store.QuarantineRow]:
        place = store.parsed_quarantine_cursor(after)
        page, _ = await read(request, lambda session: store.quarantine(session, after=place, limit=limit))
        return page

    return await csv_response("quarantine", store.QuarantineRow, fetch)


@router.get("/data/revisions.csv")
async def revisions_csv(request: Request) -> Response:
    """Every source file that was replaced."""

    async def fetch(after: str | None, limit: int) -> Page[store.RevisionRow]:
        before = None if after is None else int(after)
        page, _ = await read(request, lambda session: store.revisions(session, before=before, limit=limit))
        return page

    return await csv_pages("revisions", store.RevisionRow, fetch)


@router.get("/data/failed-checks.csv")
async def failed_checks_csv(request: Request) -> Response:
    """Every partition that fails a check."""

    async def fetch(after: TimeAndId | None, limit: int) -> Page[CheckRow]:
        place = parsed_check_cursor(after)
        page, _ = await read(request, lambda session: failed_checks(session, after=place, limit=limit))
        return page

    return await csv_response("failed-checks", CheckRow, fetch)
