"""Today: what needs a person, the account, what is held, what could be bought, whether all is well."""

from datetime import UTC, datetime, time

from fastapi import Request
from starlette.responses import Response

from falcon_pipelines.dashboard.attention import notices, stale_prices
from falcon_pipelines.dashboard.formatting import NEW_YORK
from falcon_pipelines.dashboard.overview import Overview, overview
from falcon_pipelines.dashboard.pages.page import OptionalId, page_router, present, read_labelled
from falcon_pipelines.dashboard.queries.operations import FORGOTTEN
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.watching.remembered import standing_outages

router = page_router()


@router.get("/")
async def today(request: Request, account: OptionalId = None) -> Response:
    """The overview."""
    now = datetime.now(UTC)
    view = await read_labelled(request, lambda session: overview(session, account, now))
    if account is not None:
        present(view.account, f"account {account}")
    return render(
        request,
        "today.html",
        view=view,
        data=view.data,
        notices=notices(view, now, standing_outages(surroundings().outages_file)),
        stale=stale_prices(view, now),
        well=[service for service in view.signals.services if service.standing(now) == "ok"],
        ill=[
            service
            for service in view.signals.services
            if service.standing(now) in ("late", "silent", "degraded") and now - service.beat_at < FORGOTTEN
        ],
        now=now,
        held_until=_held_until(view, now),
        surroundings=surroundings(),
        synthetic=view.data.synthetic,
    )


def _held_until(view: Overview, now: datetime) -> datetime:
    """Until when positions have been held: a synthetic account lives at the end of its made-up bars."""
    if view.account is None or view.standing is None or not view.account.synthetic:
        return now
    return datetime.combine(view.standing.session, time(16), tzinfo=NEW_YORK)
