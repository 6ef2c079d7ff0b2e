"""System: the database, and when each stage of the pipeline last wrote."""

from fastapi import Request
from starlette.responses import Response

from falcon_pipelines.dashboard.pages.page import page_router, read
from falcon_pipelines.dashboard.queries.system import system_state
from falcon_pipelines.dashboard.rendering import render

router = page_router()


@router.get("/system")
async def system(request: Request) -> Response:
    """What runs and what wrote last."""
    database = request.app.state.database
    view, synthetic = await read(request, system_state)
    revision = await database.revision()
    return render(
        request,
        "system.html",
        view=view,
        revision=revision,
        expected=database.expected_revision,
        version=request.app.version,
        synthetic=synthetic,
    )
