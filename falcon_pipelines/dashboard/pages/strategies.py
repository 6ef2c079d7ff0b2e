"""Strategies: the leaderboard by verdict, and one strategy with everything its verdict rests on."""

from fastapi import Request
from starlette.responses import Response

from falcon_pipelines.dashboard.pages.page import Id, page_router, present, read
from falcon_pipelines.dashboard.queries.strategies import leaderboard, strategy
from falcon_pipelines.dashboard.rendering import render

router = page_router()


@router.get("/strategies")
async def strategies(request: Request) -> Response:
    """All strategies, the best evidence first."""
    rows, synthetic = await read(request, leaderboard)
    return render(request, "strategies.html", rows=rows, synthetic=synthetic)


@router.get("/strategies/{spec_id}")
async def one_strategy(request: Request, spec_id: Id) -> Response:
    """One strategy."""
    view, synthetic = await read(request, lambda session: strategy(session, spec_id))
    return render(request, "strategy.html", view=present(view, f"strategy {spec_id}"), synthetic=synthetic)
