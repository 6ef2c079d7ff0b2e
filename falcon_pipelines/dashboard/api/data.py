"""The bar store over the API: what is stored, what checks and quarantine say, what was replaced, what it takes on disk."""

from typing import Annotated

from fastapi import Query, Request

from falcon_pipelines.dashboard.api.parameters import (
    BAD_CURSOR,
    After,
    Limit,
    OfTicker,
    api_router,
    read,
)
from falcon_pipelines.dashboard.cursors import parse_cursor
from falcon_pipelines.dashboard.queries import checks, coverage, market_data, store
from falcon_pipelines.dashboard.values import Page

router = api_router("data")

EntryBefore = Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before")]


@router.get("/data")
async def get_data(request: Request) -> market_data.DataHealth:
    """What the bar store holds."""
    return await read(request, market_data.data_health)


@router.get("/data/coverage")
async def get_coverage(
    request: Request,
    frequency: Annotated[str | None, Query(pattern="^[a-z0-9]{1,20}$")] = None,
    year: Annotated[int | None, Query(ge=1900, le=2200)] = None,
) -> coverage.Coverage:
    """The calendar of one year, by default the newest of the day bars."""
    return await read(request, lambda session: coverage.coverage(session, frequency, year))


@router.get("/data/disk")
async def get_disk(request: Request) -> list[store.Area]:
    """What the bar store takes on disk, as compute last measured it."""
    return await read(request, store.disk_usage)


@router.get("/data/quarantine", responses=BAD_CURSOR)
async def get_quarantine(
    request: Request, limit: Limit = 50, after: After = None
) -> Page[store.QuarantineRow]:
    """Why lines of source files were refused, newest sessions first."""
    place = store.parsed_quarantine_cursor(parse_cursor(after))
    return await read(request, lambda session: store.quarantine(session, after=place, limit=limit))


@router.get("/data/revisions")
async def get_revisions(
    request: Request, limit: Limit = 50, before: EntryBefore = None
) -> Page[store.RevisionRow]:
    """Sessions whose source file was replaced, newest replacement first."""
    return await read(request, lambda session: store.revisions(session, before=before, limit=limit))


@router.get("/data/actions", responses=BAD_CURSOR)
async def get_actions(
    request: Request, ticker: OfTicker = None, limit: Limit = 50, after: After = None
) -> Page[store.ActionRow]:
    """Splits, dividends and delistings, newest ex-date first."""
    place = store.parsed_action_cursor(parse_cursor(after))
    return await read(
        request,
        lambda session: store.corporate_actions(session, ticker=ticker, after=place, limit=limit),
    )


@router.get("/data/log")
async def get_log(request: Request, limit: Limit = 50, before: EntryBefore = None) -> Page[coverage.LogEntry]:
    """Additions to the bar store, newest first."""
    return await read(request, lambda session: coverage.newest_entries(session, before=before, limit=limit))


@router.get("/checks")
async def get_checks(request: Request) -> list[checks.CheckSummary]:
    """Every data check by its newest evaluation, the failing ones first."""
    return await read(request, checks.check_summaries)


@router.get("/checks/failed", responses=BAD_CURSOR)
async def get_failed_checks(
    request: Request, limit: Limit = 50, after: After = None
) -> Page[checks.CheckRow]:
    """Failed evaluations that no newer one has mended, newest first."""
    place = checks.parsed_check_cursor(parse_cursor(after))
    return await read(request, lambda session: checks.failed_checks(session, after=place, limit=limit))
