"""Trading: positions, orders and fills of the paper accounts, and the long lists as CSV."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard import cursors, formatting
from falcon_pipelines.dashboard.csv_export import csv_pages, csv_response
from falcon_pipelines.dashboard.cursors import parse_cursor
from falcon_pipelines.dashboard.formatting import NEW_YORK
from falcon_pipelines.dashboard.pages.page import (
    Cursor,
    Id,
    OptionalId,
    OptionalText,
    given,
    page_router,
    present,
    read,
    read_labelled,
)
from falcon_pipelines.dashboard.queries import accounts, control, orders, positions
from falcon_pipelines.dashboard.queries.accounts import AccountName, Standing
from falcon_pipelines.dashboard.queries.charts import has_chart
from falcon_pipelines.dashboard.queries.control import CommandRow, HaltRow
from falcon_pipelines.dashboard.queries.limits import LimitUse, limits
from falcon_pipelines.dashboard.queries.orders import FillRow, OrderRow
from falcon_pipelines.dashboard.queries.positions import Position
from falcon_pipelines.dashboard.queries.skipped import SkippedRow, skipped_trades
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Page, PerShare, Value

router = page_router()

_NOTHING: Page[Any] = Page(items=[], next=None)
STATUSES = ("submitted", "open", "filled", "cancelled", "rejected")


class FillMark(Value):
    """A fill on a chart of sessions."""

    session: date
    side: str
    shares: str
    price: PerShare


class TickerChart(Value):
    """What is drawn when the page is about one ticker: its fills, and what protects the position."""

    ticker: str
    fills: list[FillMark]
    stop: PerShare | None
    target: PerShare | None
    has_bars: bool


class TradingView(Value):
    """One account's positions, and a page each of its orders and fills."""

    accounts: list[AccountName]
    account: AccountName | None
    standing: Standing | None
    positions: list[Position]
    halts: Page[HaltRow]
    commands: Page[CommandRow]
    limits: list[LimitUse]
    orders: Page[OrderRow]
    fills: Page[FillRow]
    skipped: Page[SkippedRow]
    chart: TickerChart | None


@router.get("/trading")
async def all_trading(
    request: Request,
    account: OptionalId = None,
    ticker: OptionalText = None,
    status: OptionalText = None,
    orders_after: Cursor = None,
    fills_after: Cursor = None,
    skipped_before: OptionalId = None,
    halts_after: Cursor = None,
    commands_before: OptionalId = None,
) -> Response:
    """Positions, orders and fills."""
    chosen_ticker, chosen_status = given(ticker), given(status)
    halts_place = control.parsed_halt_cursor(parse_cursor(halts_after))
    orders_cursor, fills_cursor = parse_cursor(orders_after), parse_cursor(fills_after)

    def query(session: Session) -> TradingView:
        every = accounts.accounts(session)
        chosen = accounts.chosen(every, account)
        number = None if chosen is None else chosen.id
        held = [] if number is None else positions.positions(session, number)
        traded = orders.fills(session, account_id=number, ticker=chosen_ticker, after=fills_cursor)
        return TradingView(
            accounts=every,
            account=chosen,
            standing=None if chosen is None else accounts.standing(session, chosen, surroundings().benchmark),
            positions=held,
            halts=_NOTHING if number is None else control.halts(session, number, after=halts_place),
            commands=_NOTHING
            if number is None
            else control.commands(session, number, before=commands_before),
            limits=[] if number is None else limits(session, number, held),
            orders=orders.orders(
                session, account_id=number, ticker=chosen_ticker, status=chosen_status, after=orders_cursor
            ),
            fills=traded,
            chart=_chart(session, chosen_ticker, traded.items, held),
            skipped=skipped_trades(session, ticker=chosen_ticker, before=skipped_before),
        )

    view = await read_labelled(request, query)
    if account is not None:
        present(view.account, f"account {account}")
    return render(
        request,
        "trading.html",
        view=view,
        synthetic=any(account.synthetic for account in view.accounts),
        ticker=chosen_ticker,
        order_status=chosen_status,
        statuses=STATUSES,
    )


def _chart(
    session: Session, ticker: str | None, traded: Sequence[FillRow], held: Sequence[Position]
) -> TickerChart | None:
    """None when no ticker was asked for, or nothing was ever traded in it."""
    if ticker is None or not traded:
        return None
    name = traded[0].ticker
    position = next((position for position in held if position.ticker == name), None)
    return TickerChart(
        ticker=name,
        fills=[
            FillMark(
                session=fill.filled_at.astimezone(NEW_YORK).date(),
                side=fill.side,
                shares=formatting.shares(fill.quantity),
                price=fill.price,
            )
            for fill in traded
            if fill.ticker == name
        ],
        stop=position.stop if position else None,
        target=position.target if position else None,
        has_bars=has_chart(session, name),
    )


@router.get("/trading/orders.csv")
async def orders_csv(
    request: Request, account: OptionalId = None, ticker: OptionalText = None, status: OptionalText = None
) -> Response:
    """All orders that match."""

    async def fetch(after: cursors.Cursor | None, limit: int) -> Page[OrderRow]:
        def query(session: Session) -> Page[OrderRow]:
            return orders.orders(
                session,
                account_id=account,
                ticker=given(ticker),
                status=given(status),
                after=after,
                limit=limit,
            )

        return (await read(request, query))[0]

    return await csv_response("orders", OrderRow, fetch)


@router.get("/trading/fills.csv")
async def fills_csv(request: Request, account: OptionalId = None, ticker: OptionalText = None) -> Response:
    """All fills that match."""

    async def fetch(after: cursors.Cursor | None, limit: int) -> Page[FillRow]:
        def query(session: Session) -> Page[FillRow]:
            return orders.fills(session, account_id=account, ticker=given(ticker), after=after, limit=limit)

        return (await read(request, query))[0]

    return await csv_response("fills", FillRow, fetch)


@router.get("/trading/skipped.csv")
async def skipped_csv(request: Request, ticker: OptionalText = None) -> Response:
    """All skipped trades that match."""

    async def fetch(after: str | None, limit: int) -> Page[SkippedRow]:
        before = None if after is None else int(after)
        page, _ = await read(
            request,
            lambda session: skipped_trades(session, ticker=given(ticker), before=before, limit=limit),
        )
        return page

    return await csv_pages("skipped-trades", SkippedRow, fetch)


@router.get("/trading/{account_id}/commands.csv")
async def commands_csv(request: Request, account_id: Id) -> Response:
    """Everything people told the account to do."""

    async def fetch(after: str | None, limit: int) -> Page[CommandRow]:
        before = None if after is None else int(after)
        page, _ = await read(
            request, lambda session: control.commands(session, account_id, before=before, limit=limit)
        )
        return page

    return await csv_pages("commands", CommandRow, fetch)


@router.get("/trading/{account_id}/halts.csv")
async def halts_csv(request: Request, account_id: Id) -> Response:
    """Every time without entries."""

    async def fetch(after: cursors.Cursor | None, limit: int) -> Page[HaltRow]:
        place = control.parsed_halt_cursor(after)
        page, _ = await read(
            request, lambda session: control.halts(session, account_id, after=place, limit=limit)
        )
        return page

    return await csv_response("halts", HaltRow, fetch)
