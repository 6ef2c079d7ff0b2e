"""Accounts over the API: how they stand, what they hold, how near their limits are, what they did and did not do."""

from typing import Annotated

from fastapi import Path, Query, Request
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.api.parameters import (
    BAD_CURSOR,
    MAY_BE_MISSING,
    After,
    Before,
    Id,
    Limit,
    OfAccount,
    OfTicker,
    Points,
    api_router,
    read,
    read_one,
)
from falcon_pipelines.dashboard.cursors import parse_cursor
from falcon_pipelines.dashboard.queries import accounts, control, limits, orders, positions, skipped
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Page

router = api_router("trading")


@router.get("/accounts")
async def get_accounts(request: Request) -> list[accounts.AccountName]:
    """The paper accounts, open ones first."""
    return await read(request, accounts.accounts)


@router.get("/accounts/{account_id}/standing", responses=MAY_BE_MISSING)
async def get_standing(request: Request, account_id: Id) -> accounts.Standing:
    """Equity, cash, exposure and profit at the newest close, beside the benchmark."""

    def query(session: Session) -> accounts.Standing | None:
        account = accounts.chosen(accounts.accounts(session), account_id)
        return None if account is None else accounts.standing(session, account, surroundings().benchmark)

    return await read_one(request, query, f"close of account {account_id}")


@router.get("/accounts/{account_id}/equity", responses=MAY_BE_MISSING)
async def get_equity(request: Request, account_id: Id, points: Points = None) -> accounts.EquityCurve:
    """Equity at each close beside the benchmark."""

    def query(session: Session) -> accounts.EquityCurve | None:
        account = accounts.chosen(accounts.accounts(session), account_id)
        if account is None:
            return None
        return accounts.equity_curve(session, account, surroundings().benchmark, points)

    return await read_one(request, query, f"account {account_id}")


@router.get("/accounts/{account_id}/positions")
async def get_positions(request: Request, account_id: Id) -> list[positions.Position]:
    """The open positions, derived from the postings."""
    return await read(request, lambda session: positions.positions(session, account_id))


@router.get("/accounts/{account_id}/limits")
async def get_limits(request: Request, account_id: Id) -> list[limits.LimitUse]:
    """The risk limits and how near each is."""

    def query(session: Session) -> list[limits.LimitUse]:
        return limits.limits(session, account_id, positions.positions(session, account_id))

    return await read(request, query)


@router.get("/accounts/{account_id}/halts", responses=BAD_CURSOR)
async def get_halts(
    request: Request, account_id: Id, limit: Limit = 50, after: After = None
) -> Page[control.HaltRow]:
    """Times without entries: those that last first."""
    place = control.parsed_halt_cursor(parse_cursor(after))
    return await read(request, lambda session: control.halts(session, account_id, after=place, limit=limit))


@router.get("/accounts/{account_id}/commands")
async def get_commands(
    request: Request, account_id: Id, limit: Limit = 50, before: Before = None
) -> Page[control.CommandRow]:
    """What people told the account to do, newest first."""
    return await read(
        request, lambda session: control.commands(session, account_id, before=before, limit=limit)
    )


@router.get("/accounts/{account_id}/orders/{order_id}", responses=MAY_BE_MISSING)
async def get_order(
    request: Request, account_id: Id, order_id: Annotated[str, Path(pattern=r"^[^\x00/]{1,200}$")]
) -> orders.OrderRow:
    """One order."""
    what = f"order {order_id} of account {account_id}"
    return await read_one(request, lambda session: orders.order(session, account_id, order_id), what)


@router.get("/orders", responses=BAD_CURSOR)
async def get_orders(
    request: Request,
    account: OfAccount = None,
    ticker: OfTicker = None,
    status: Annotated[str | None, Query(pattern="^[a-z_]{1,20}$")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[orders.OrderRow]:
    """Orders, newest first."""
    cursor = parse_cursor(after)
    return await read(
        request,
        lambda session: orders.orders(
            session, account_id=account, ticker=ticker, status=status, after=cursor, limit=limit
        ),
    )


@router.get("/fills", responses=BAD_CURSOR)
async def get_fills(
    request: Request,
    account: OfAccount = None,
    ticker: OfTicker = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[orders.FillRow]:
    """Fills, newest first."""
    cursor = parse_cursor(after)
    return await read(
        request,
        lambda session: orders.fills(session, account_id=account, ticker=ticker, after=cursor, limit=limit),
    )


@router.get("/skipped-trades")
async def get_skipped(
    request: Request, ticker: OfTicker = None, limit: Limit = 50, before: Before = None
) -> Page[skipped.SkippedRow]:
    """Candidates that were not bought, by which rule, and what they would have come to; newest first."""
    return await read(
        request, lambda session: skipped.skipped_trades(session, ticker=ticker, before=before, limit=limit)
    )
