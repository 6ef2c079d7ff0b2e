"""One candidate: its chart with entry, stop and target, the factors that made it, and who else picked it."""

from typing import Annotated

from fastapi import Path, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.pages.page import Id, given, page_router, present, read
from falcon_pipelines.dashboard.queries.picks import pick
from falcon_pipelines.dashboard.rendering import render

router = page_router()

Ticker = Annotated[str, Path(max_length=40)]


@router.get("/screens/{run_id}/{ticker:path}")
async def candidate(request: Request, run_id: Id, ticker: Ticker) -> Response:
    """The candidate of one run."""
    name = given(ticker) or ""

    def query(session: Session) -> object:
        return pick(session, run_id, name)

    view, synthetic = await read(request, query)
    return render(
        request,
        "candidate.html",
        view=present(view, f"candidate {name[:40]} in screen run {run_id}"),
        synthetic=synthetic,
    )
