"""Strategies: the leaderboard by verdict, and one strategy with everything its verdict rests on."""

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from falcon_pipelines.dashboard.csv_export import csv_pages
from falcon_pipelines.dashboard.cursors import parse_place
from falcon_pipelines.dashboard.pages.page import (
    Cursor,
    Id,
    OptionalText,
    given,
    page_router,
    present,
    read,
)
from falcon_pipelines.dashboard.queries.backtests import Trade, trades_page
from falcon_pipelines.dashboard.queries.strategies import (
    TRADES_A_PAGE,
    VERDICT_ORDER,
    StrategyLine,
    leaderboard,
    strategy,
)
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Page

router = page_router()

VERDICTS = [name for name in VERDICT_ORDER if name is not None]
CHART_POINTS = 1000


@router.get("/strategies")
async def strategies(
    request: Request, verdict: OptionalText = None, words: OptionalText = None, after: Cursor = None
) -> Response:
    """All strategies, the best evidence first."""
    wanted, named, place = given(verdict), given(words), parse_place(after)
    page, synthetic = await read(
        request, lambda session: leaderboard(session, verdict=wanted, words=named, after=place)
    )
    return render(
        request,
        "strategies.html",
        page=page,
        verdicts=VERDICTS,
        verdict=wanted,
        words=named,
        first=after is None,
        synthetic=synthetic,
    )


@router.get("/strategies.csv")
async def strategies_csv(
    request: Request, verdict: OptionalText = None, words: OptionalText = None
) -> Response:
    """All strategies that match."""

    async def fetch(after: str | None, limit: int) -> Page[StrategyLine]:
        page, _ = await read(
            request,
            lambda session: leaderboard(
                session, verdict=given(verdict), words=given(words), after=parse_place(after), limit=limit
            ),
        )
        return Page(items=[StrategyLine.of(row) for row in page.items], next=page.next)

    return await csv_pages("strategies", StrategyLine, fetch)


@router.get("/strategies/{spec_id}")
async def one_strategy(
    request: Request, spec_id: Id, trade: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0
) -> Response:
    """One strategy; `trade` is where its page of trades begins."""
    compared_with = surroundings().benchmark
    view, synthetic = await read(
        request, lambda session: strategy(session, spec_id, compared_with, first_trade=trade)
    )
    return render(
        request,
        "strategy.html",
        view=present(view, f"strategy {spec_id}"),
        trades_a_page=TRADES_A_PAGE,
        chart_points=CHART_POINTS,
        surroundings=surroundings(),
        synthetic=synthetic,
    )


@router.get("/backtests/{backtest_id}/trades.csv")
async def trades_csv(request: Request, backtest_id: Id) -> Response:
    """All trades of a backtest."""

    async def fetch(after: str | None, limit: int) -> Page[Trade]:
        page, _ = await read(
            request, lambda session: trades_page(session, backtest_id, first=int(after or 0), limit=limit)
        )
        return page

    return await csv_pages(f"backtest-{backtest_id}-trades", Trade, fetch)
