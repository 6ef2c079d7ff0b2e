"""Strategies and their backtests over the API: the leaderboard, one strategy with its evidence, what may be decided."""

from typing import Annotated

from fastapi import Query, Request

from falcon_pipelines.dashboard.api.parameters import (
    BAD_CURSOR,
    MAY_BE_MISSING,
    After,
    Before,
    Id,
    Limit,
    Points,
    Words,
    api_router,
    read,
    read_one,
)
from falcon_pipelines.dashboard.cursors import parse_place
from falcon_pipelines.dashboard.queries import backtests, decisions, readings, strategies
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Page

router = api_router("research")


@router.get("/strategies", responses=BAD_CURSOR)
async def get_strategies(
    request: Request,
    verdict: Annotated[
        str | None, Query(max_length=60, pattern="^[a-z -]*$", description="`none` for without")
    ] = None,
    words: Words = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[strategies.StrategyRow]:
    """The newest version of every strategy with its newest backtest and verdict, best evidence first.

    `words` are looked for in its name.
    """
    place = parse_place(after)
    return await read(
        request,
        lambda session: strategies.leaderboard(
            session, verdict=verdict, words=words, after=place, limit=limit
        ),
    )


@router.get("/strategies/{spec_id}", responses=MAY_BE_MISSING)
async def get_strategy(request: Request, spec_id: Id) -> strategies.StrategyDetail:
    """One strategy: rules with their evidence, backtest, trades, verdict, readings of its talk, paper accounts."""
    return await read_one(
        request,
        lambda session: strategies.strategy(session, spec_id, surroundings().benchmark),
        f"strategy {spec_id}",
    )


@router.get("/strategies/{spec_id}/decision", responses=MAY_BE_MISSING)
async def get_decision(request: Request, spec_id: Id) -> decisions.Subject:
    """What a decision on the strategy rests on, and what was decided before."""
    return await read_one(request, lambda session: decisions.subject(session, spec_id), f"strategy {spec_id}")


@router.get("/strategies/{spec_id}/overlays", responses=MAY_BE_MISSING)
async def get_overlays(request: Request, spec_id: Id) -> readings.OverlaySubject:
    """What may be assumed on top of the strategy; `lay_overlay` of /requests asks for it."""
    return await read_one(
        request, lambda session: readings.overlay_subject(session, spec_id), f"strategy {spec_id}"
    )


@router.get("/strategies/{spec_id}/backtests")
async def get_backtests(
    request: Request, spec_id: Id, limit: Limit = 50, before: Before = None
) -> Page[backtests.BacktestFigures]:
    """The backtests of a strategy, newest first."""
    return await read(
        request, lambda session: backtests.backtests_of(session, spec_id, before=before, limit=limit)
    )


@router.get("/backtests/{backtest_id}/equity", responses=MAY_BE_MISSING)
async def get_backtest_equity(
    request: Request, backtest_id: Id, points: Points = None
) -> backtests.BacktestCurve:
    """Equity of a backtest beside its benchmark."""
    return await read_one(
        request,
        lambda session: backtests.backtest_curve(session, backtest_id, points),
        f"backtest {backtest_id}",
    )


@router.get("/backtests/{backtest_id}/trades")
async def get_backtest_trades(
    request: Request,
    backtest_id: Id,
    first: Annotated[int, Query(ge=0, le=10**6, description="`next` of the page before")] = 0,
    limit: Limit = 100,
) -> Page[backtests.Trade]:
    """The trades of a backtest in the order they were closed; empty beyond the last."""
    return await read(
        request, lambda session: backtests.trades_page(session, backtest_id, first=first, limit=limit)
    )
