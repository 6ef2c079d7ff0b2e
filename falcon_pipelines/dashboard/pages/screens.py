"""Screens: the profiles with their records, the newest candidates, every run, and the candidates of one run."""

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.pages.page import (
    Id,
    OptionalId,
    OptionalText,
    given,
    page_router,
    present,
    read,
)
from falcon_pipelines.dashboard.queries.asked import Asked
from falcon_pipelines.dashboard.queries.asked import newest as newest_requests
from falcon_pipelines.dashboard.queries.profiles import ProfileRow, profiles
from falcon_pipelines.dashboard.queries.screening import (
    Screen,
    ScreenRow,
    newest_screens,
    screen,
    screen_runs,
)
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.values import Page, Value

router = page_router()

KINDS = ("save_profile", "delete_profile", "run_screen")


class ScreensView(Value):
    """Everything on the page."""

    newest: list[Screen]
    profiles: list[ProfileRow]
    requests: list[Asked]
    runs: Page[ScreenRow]


@router.get("/screens")
async def screens(request: Request, profile: OptionalText = None, before: OptionalId = None) -> Response:
    """The newest candidates and all runs."""
    name = given(profile)

    def query(session: Session) -> ScreensView:
        return ScreensView(
            newest=newest_screens(session, limit=25),
            profiles=profiles(session),
            requests=newest_requests(session, KINDS),
            runs=screen_runs(session, profile=name, before=before),
        )

    view, synthetic = await read(request, query)
    return render(request, "screens.html", view=view, profile=name, synthetic=synthetic)


@router.get("/screens/{run_id}")
async def screen_run(request: Request, run_id: Id) -> Response:
    """One run."""
    view, synthetic = await read(request, lambda session: screen(session, run_id))
    return render(request, "screen.html", view=present(view, f"screen run {run_id}"), synthetic=synthetic)
