"""Today: the account, what is held, what could be bought, which strategies work, whether the data is good."""

from datetime import UTC, datetime

from fastapi import Request
from starlette.responses import Response

from falcon_pipelines.dashboard.attention import notices
from falcon_pipelines.dashboard.overview import overview
from falcon_pipelines.dashboard.pages.page import OptionalId, page_router, present
from falcon_pipelines.dashboard.rendering import render

router = page_router()


@router.get("/")
async def today(request: Request, account: OptionalId = None) -> Response:
    """The overview."""
    view = await request.app.state.database.read(lambda session: overview(session, account))
    if account is not None:
        present(view.account, f"account {account}")
    found = notices(view, datetime.now(UTC))
    return render(
        request, "today.html", view=view, data=view.data, notices=found, synthetic=view.data.synthetic
    )
