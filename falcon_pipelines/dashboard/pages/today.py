"""Today: what needs a person, the account, what is held, what could be bought, whether all is well."""

from datetime import UTC, datetime

from fastapi import Request
from starlette.responses import Response

from falcon_pipelines.dashboard.attention import notices, stale_prices
from falcon_pipelines.dashboard.overview import overview
from falcon_pipelines.dashboard.pages.page import OptionalId, page_router, present
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.surroundings import surroundings

router = page_router()


@router.get("/")
async def today(request: Request, account: OptionalId = None) -> Response:
    """The overview."""
    now = datetime.now(UTC)
    view = await request.app.state.database.read(lambda session: overview(session, account, now))
    if account is not None:
        present(view.account, f"account {account}")
    return render(
        request,
        "today.html",
        view=view,
        data=view.data,
        notices=notices(view, now),
        stale=stale_prices(view, now),
        well=[service for service in view.services if service.standing(now) == "ok"],
        ill=[s for s in view.services if s.standing(now) in ("late", "silent", "degraded")],
        now=now,
        surroundings=surroundings(),
        synthetic=view.data.synthetic,
    )
