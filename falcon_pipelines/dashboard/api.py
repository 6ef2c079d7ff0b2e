"""The JSON API: the same read models the pages show, typed and documented by OpenAPI."""

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, HTTPException, Path, Query, Request
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard import api_machinery
from falcon_pipelines.dashboard.attention import Notice, notices
from falcon_pipelines.dashboard.cursors import parse_cursor, parse_place
from falcon_pipelines.dashboard.database import Database
from falcon_pipelines.dashboard.overview import Overview, overview
from falcon_pipelines.dashboard.queries import (
    accounts,
    backtests,
    control,
    coverage,
    market_data,
    orders,
    positions,
    screening,
    strategies,
    system,
    videos,
)
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Page, Problem

Found = TypeVar("Found")


router = APIRouter(
    prefix="/api/v1", tags=["data"], responses={401: {"model": Problem}, 503: {"model": Problem}}
)

BAD_CURSOR: dict[int | str, dict[str, Any]] = {400: {"model": Problem}}
MAY_BE_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
AccountId = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="the first account when left out")]
Ticker = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9.\-/ ]{1,20}$")]
Limit = Annotated[int, Query(ge=1, le=500)]
After = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]


class OverviewAnswer(Overview):
    """The overview and what in it needs a person."""

    notices: list[Notice]


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


@router.get("/overview", responses=MAY_BE_MISSING)
async def get_overview(request: Request, account: AccountId = None) -> OverviewAnswer:
    """Everything on the first page."""
    found = await _database(request).read(lambda session: overview(session, account))
    if account is not None and found.account is None:
        raise HTTPException(404, f"there is no account {account}")
    return OverviewAnswer(**dict(found), notices=notices(found, datetime.now(UTC)))


@router.get("/accounts")
async def get_accounts(request: Request) -> list[accounts.AccountName]:
    """The paper accounts, open ones first."""
    return await _database(request).read(accounts.accounts)


@router.get("/accounts/{account_id}/equity", responses=MAY_BE_MISSING)
async def get_equity(request: Request, account_id: Id) -> accounts.EquityCurve:
    """Equity at each close beside the benchmark."""

    def read(session: Session) -> accounts.EquityCurve | None:
        account = accounts.chosen(accounts.accounts(session), account_id)
        return None if account is None else accounts.equity_curve(session, account, surroundings().benchmark)

    return _present(await _database(request).read(read), f"account {account_id}")


@router.get("/accounts/{account_id}/positions")
async def get_positions(request: Request, account_id: Id) -> list[positions.Position]:
    """The open positions, derived from the postings."""
    return await _database(request).read(lambda session: positions.positions(session, account_id))


@router.get("/accounts/{account_id}/halts")
async def get_halts(request: Request, account_id: Id) -> list[control.HaltRow]:
    """Times without entries: those that last first."""
    return await _database(request).read(lambda session: control.halts(session, account_id))


@router.get("/accounts/{account_id}/commands")
async def get_commands(request: Request, account_id: Id) -> list[control.CommandRow]:
    """What people told the account to do, newest first."""
    return await _database(request).read(lambda session: control.commands(session, account_id))


@router.get("/orders", responses=BAD_CURSOR)
async def get_orders(
    request: Request,
    account: AccountId = None,
    ticker: Ticker = None,
    status: Annotated[str | None, Query(pattern="^[a-z_]{1,20}$")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[orders.OrderRow]:
    """Orders, newest first."""
    cursor = parse_cursor(after)
    return await _database(request).read(
        lambda session: orders.orders(
            session, account_id=account, ticker=ticker, status=status, after=cursor, limit=limit
        )
    )


@router.get("/fills", responses=BAD_CURSOR)
async def get_fills(
    request: Request, account: AccountId = None, ticker: Ticker = None, limit: Limit = 50, after: After = None
) -> Page[orders.FillRow]:
    """Fills, newest first."""
    cursor = parse_cursor(after)
    return await _database(request).read(
        lambda session: orders.fills(session, account_id=account, ticker=ticker, after=cursor, limit=limit)
    )


@router.get("/candidates")
async def get_candidates(request: Request) -> list[screening.Screen]:
    """The candidates of the newest screened session, by profile."""
    return await _database(request).read(screening.newest_screens)


@router.get("/strategies", responses=BAD_CURSOR)
async def get_strategies(
    request: Request,
    verdict: Annotated[
        str | None, Query(max_length=60, pattern="^[a-z -]*$", description="`none` for without")
    ] = None,
    words: Annotated[
        str | None, Query(max_length=60, pattern="^[^\\x00]*$", description="in its name")
    ] = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[strategies.StrategyRow]:
    """The newest version of every strategy with its newest backtest and verdict, best evidence first."""
    place = parse_place(after)
    return await _database(request).read(
        lambda session: strategies.leaderboard(
            session, verdict=verdict, words=words, after=place, limit=limit
        )
    )


@router.get("/strategies/{spec_id}", responses=MAY_BE_MISSING)
async def get_strategy(request: Request, spec_id: Id) -> strategies.StrategyDetail:
    """One strategy: rules with their evidence, backtest, trades, verdict."""
    found = await _database(request).read(
        lambda session: strategies.strategy(session, spec_id, surroundings().benchmark)
    )
    return _present(found, f"strategy {spec_id}")


@router.get("/backtests/{backtest_id}/equity", responses=MAY_BE_MISSING)
async def get_backtest_equity(
    request: Request,
    backtest_id: Id,
    points: Annotated[
        int | None, Query(ge=2, le=10_000, description="evenly spaced; all when left out")
    ] = None,
) -> backtests.BacktestCurve:
    """Equity of a backtest beside its benchmark."""
    found = await _database(request).read(
        lambda session: backtests.backtest_curve(session, backtest_id, points)
    )
    return _present(found, f"backtest {backtest_id}")


@router.get("/backtests/{backtest_id}/trades")
async def get_backtest_trades(
    request: Request,
    backtest_id: Id,
    first: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Limit = 100,
) -> list[backtests.Trade]:
    """A stretch of the trades of a backtest, in the order they were closed; empty beyond the last."""
    return await _database(request).read(
        lambda session: backtests.trades(session, backtest_id, first=first, limit=limit)
    )


@router.get("/data")
async def get_data(request: Request) -> market_data.DataHealth:
    """What the bar store holds."""
    return await _database(request).read(market_data.data_health)


@router.get("/screens")
async def get_screens(
    request: Request,
    profile: Annotated[str | None, Query(max_length=200, pattern="^[^\\x00]*$")] = None,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`next` of the page before")] = None,
    limit: Limit = 50,
) -> Page[screening.ScreenRow]:
    """Screening runs, newest first."""
    return await _database(request).read(
        lambda session: screening.screen_runs(session, profile=profile, before=before, limit=limit)
    )


@router.get("/screens/{run_id}", responses=MAY_BE_MISSING)
async def get_screen(request: Request, run_id: Id) -> screening.Screen:
    """One run with its candidates."""
    found = await _database(request).read(lambda session: screening.screen(session, run_id))
    return _present(found, f"screen run {run_id}")


@router.get("/videos", responses=BAD_CURSOR)
async def get_videos(
    request: Request,
    words: Annotated[
        str | None, Query(max_length=60, pattern="^[^\\x00]*$", description="in its title or channel")
    ] = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[videos.VideoRow]:
    """Videos with a transcript, newest first."""
    cursor = parse_cursor(after)
    return await _database(request).read(
        lambda session: videos.videos(session, words=words, after=cursor, limit=limit)
    )


@router.get("/videos/{transcript_id}", responses=MAY_BE_MISSING)
async def get_video(
    request: Request, transcript_id: Annotated[str, Path(max_length=200, pattern="^[^\\x00]+$")]
) -> videos.VideoDetail:
    """A transcript with the words of its rules marked."""
    found = await _database(request).read(lambda session: videos.video(session, transcript_id))
    return _present(found, "such video")


@router.get("/data/coverage")
async def get_coverage(
    request: Request,
    frequency: Annotated[str | None, Query(pattern="^[a-z0-9]{1,20}$")] = None,
    year: Annotated[int | None, Query(ge=1900, le=2200)] = None,
) -> coverage.Coverage:
    """The calendar of one year, by default the newest of the day bars."""
    return await _database(request).read(lambda session: coverage.coverage(session, frequency, year))


@router.get("/system")
async def get_system(request: Request) -> system.SystemState:
    """The database, and when each stage last wrote."""
    return await _database(request).read(system.system_state)


router.include_router(api_machinery.router)


def _present(found: Found | None, what: str) -> Found:
    if found is None:
        raise HTTPException(404, f"there is no {what}")
    return found
