"""A strategy on paper over stored bars: safe to run again, after a kill too; it continues where it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Engine, func, select

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.account import AccountState, Rules
from falcon_pipelines.trading.errors import CannotTrade
from falcon_pipelines.trading.moments import regular_moments
from falcon_pipelines.trading.orders import Action, Input, OrderRequest, usd
from falcon_pipelines.trading.replay import bars_by_time
from falcon_pipelines.trading.store import create_account
from falcon_pipelines.trading.strategy_trader import Strategy, decide, rules_of
from falcon_pipelines.trading.writer import Trader

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import Spec


@dataclass(frozen=True)
class PaperRun:
    """What came of one run.

    `sessions` were worked through now, `fills` and `orders` are all of the account's.
    """

    account_id: int
    account: str
    sessions: int
    orders: int
    fills: int
    equity: Decimal
    cash: Decimal
    positions: dict[str, int]
    first_session: date
    last_session: date


def paper_trade(
    engine: Engine,
    spec: "Spec",
    panel: Panel,
    *,
    account: str,
    cash: Decimal = Decimal(100_000),
    sessions: int = 60,
    rules: Rules | None = None,
    spec_id: int | None = None,
    raw: Panel | None = None,
    actions: Sequence[Action] = (),
) -> PaperRun:
    """Trade a spec without open parameters into the database, over the panel's last `sessions` sessions.

    The account is opened on the first run; a later run, on a panel that reaches further, works through the
    new sessions only. Signals come from `panel`; where that is adjusted for splits, `raw` has the same rows
    as they were traded, and `actions` the splits and dividends that the account has to live through. The
    benchmark of the account's marks is buy-and-hold of the panel's tickers. Raises CannotTrade for bars that
    do not fit, AccountExists for an account that trades by other rules.
    """
    from falcon_pipelines.strategies.signals import compute_signals

    traded = panel if raw is None else raw
    if len(traded) != len(panel) or traded.tickers != panel.tickers:
        raise CannotTrade("raw and adjusted bars must have the same times and tickers")
    moments = regular_moments(panel)
    if not moments:
        raise CannotTrade("none of the bars lies in a regular session of XNYS")
    strategy, signals = Strategy.of(spec), compute_signals(spec, panel)
    rules = rules or rules_of(spec)
    days = sorted({moment.session for _, moment in moments})
    first = days[-min(sessions, len(days))]
    start = next(moment for _, moment in moments if moment.session == first)
    with transaction(engine) as session:
        account_id = create_account(
            session, account, cash, start.starts, rules, spec_id=spec_id, synthetic=panel.synthetic
        )
        opened = session.scalars(
            select(models.Account.opened_at).where(models.Account.id == account_id)
        ).one()
    trader = Trader(engine, account_id)
    cursor = trader.account.cursor
    moments = [(row, moment) for row, moment in moments if moment.starts >= opened]
    if not moments:
        raise CannotTrade(f"account {account} was opened on {opened:%Y-%m-%d}, after the last of these bars")
    benchmark = _benchmark(traded, moments[0][0], cash, rules)
    inputs = sorted(actions, key=lambda action: action.at)
    done = sum(1 for action in inputs if cursor is not None and action.at <= cursor)
    rows = [(row, moment) for row, moment in moments if cursor is None or moment.time > cursor]
    for (row, _), (moment, bars) in zip(rows, bars_by_time(traded, rows, traded.tickers), strict=True):
        due: list[Input] = []
        while done < len(inputs) and inputs[done].at <= moment.starts:
            due.append(inputs[done])
            done += 1
        scale = None if raw is None else _scale(raw, panel, row)

        def wanted(
            state: AccountState, row: int = row, moment: object = moment, scale: object = scale
        ) -> tuple[OrderRequest, ...]:
            return decide(strategy, signals, panel, row, moment, state, scale)  # type: ignore[arg-type]

        trader.work(moment, bars, due, decide=wanted, benchmark=usd(float(benchmark[row])))
    return _summary(engine, account, trader, len({moment.session for _, moment in rows}), days)


def _benchmark(panel: Panel, start: int, cash: Decimal, rules: Rules) -> np.ndarray:
    """Dollars of buy-and-hold at each row from `start` on, by row of the panel."""
    from falcon_pipelines.backtesting.run import buy_and_hold

    held = buy_and_hold(
        panel.rows(start, len(panel)), float(cash), rules.costs.fee_bps, rules.costs.slippage_bps
    )
    return np.concatenate([np.full(start, float(cash)), held.equity])


def _scale(raw: Panel, adjusted: Panel, row: int) -> dict[str, float]:
    """What a dollar of the adjusted bars is in traded dollars, by ticker."""
    factors = raw["close"][row] / adjusted["close"][row]
    return {ticker: float(factor) for ticker, factor in zip(raw.tickers, factors, strict=True)}


def _summary(engine: Engine, name: str, trader: Trader, worked: int, days: Sequence[date]) -> PaperRun:
    state = trader.account.state
    with transaction(engine) as session:
        of_account = models.Order.account_id == trader.account_id
        orders = session.scalar(select(func.count()).select_from(models.Order).where(of_account)) or 0
        fills = (
            session.scalar(select(func.count()).select_from(models.Fill).join(models.Order).where(of_account))
            or 0
        )
        marks = select(func.min(models.AccountMark.session), func.max(models.AccountMark.session))
        first, last = session.execute(marks.where(models.AccountMark.account_id == trader.account_id)).one()
    return PaperRun(
        account_id=trader.account_id,
        account=name,
        sessions=worked,
        orders=orders,
        fills=fills,
        equity=state.equity,
        cash=state.books.cash,
        positions={ticker: state.books.quantity(ticker) for ticker in sorted(state.books.lots)},
        first_session=first or days[0],
        last_session=last or days[-1],
    )
