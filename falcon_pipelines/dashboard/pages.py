"""The HTML pages: each reads once and renders one template."""

from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.attention import notices
from falcon_pipelines.dashboard.overview import overview
from falcon_pipelines.dashboard.queries import market_data, strategies
from falcon_pipelines.dashboard.queries.market_data import DataHealth
from falcon_pipelines.dashboard.queries.strategies import StrategyDetail
from falcon_pipelines.dashboard.rendering import render

router = APIRouter(include_in_schema=False)


@router.get("/")
async def today(request: Request, account: int | None = Query(None, ge=1, le=2**31 - 1)) -> Response:
    """The overview."""
    view = await request.app.state.database.read(lambda session: overview(session, account))
    if account is not None and view.account is None:
        raise HTTPException(404, f"there is no account {account}")
    return render(request, "today.html", view=view, data=view.data, notices=notices(view, datetime.now(UTC)))


@router.get("/strategies/{spec_id}")
async def strategy(request: Request, spec_id: int) -> Response:
    """One strategy."""

    def read(session: Session) -> tuple[StrategyDetail | None, DataHealth]:
        known = 0 < spec_id < 2**31
        return strategies.strategy(session, spec_id) if known else None, market_data.data_health(session)

    view, data = await request.app.state.database.read(read)
    if view is None:
        raise HTTPException(404, f"there is no strategy {spec_id}")
    return render(request, "strategy.html", view=view, data=data)
