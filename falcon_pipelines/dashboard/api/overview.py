"""The first page as one document."""

from datetime import UTC, datetime

from fastapi import Request

from falcon_pipelines.dashboard.api.parameters import MAY_BE_MISSING, AccountId, api_router, present, read
from falcon_pipelines.dashboard.attention import Notice, notices, stale_prices
from falcon_pipelines.dashboard.overview import Overview, overview
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.watching.remembered import standing_outages

router = api_router("overview")


class OverviewAnswer(Overview):
    """The overview and what in it needs a person; `stale_prices` says why by ticker."""

    notices: list[Notice]
    stale_prices: dict[str, str]


@router.get("/overview", responses=MAY_BE_MISSING)
async def get_overview(request: Request, account: AccountId = None) -> OverviewAnswer:
    """Everything on the first page."""
    now = datetime.now(UTC)
    found = await read(request, lambda session: overview(session, account, now))
    if account is not None:
        present(found.account, f"account {account}")
    return OverviewAnswer(
        **dict(found),
        notices=notices(found, now, standing_outages(surroundings().outages_file)),
        stale_prices=stale_prices(found, now),
    )
