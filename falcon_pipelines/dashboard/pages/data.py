"""Data: which sessions are stored, what is in quarantine, what was added."""

from typing import Annotated

from fastapi import Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.pages.page import OptionalText, given, page_router, read
from falcon_pipelines.dashboard.queries.coverage import Coverage, LogEntry, coverage, newest_entries
from falcon_pipelines.dashboard.queries.market_data import DataHealth, data_health
from falcon_pipelines.dashboard.rendering import render

router = page_router()


@router.get("/data")
async def data(
    request: Request,
    frequency: OptionalText = None,
    year: Annotated[int | None, Query(ge=1900, le=2200)] = None,
) -> Response:
    """The bar store."""

    def query(session: Session) -> tuple[DataHealth, Coverage, list[LogEntry]]:
        return data_health(session), coverage(session, given(frequency), year), newest_entries(session)

    (health, calendar, log), synthetic = await read(request, query)
    return render(request, "data.html", data=health, calendar=calendar, log=log, synthetic=synthetic)
