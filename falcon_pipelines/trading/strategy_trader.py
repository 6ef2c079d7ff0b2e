"""The day's decision of a strategy: from its signals on completed bars and the account's positions to orders.

The orders act from the next bar on. What the backtest kernel would do, these orders make the account do; only
short sales are refused, because the paper account is a cash account.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from falcon_pipelines.backtesting.parameters import (
    FIXED_SHARES,
    PERCENT_OF_EQUITY,
    RISK_PER_TRADE,
    VOLATILITY_TARGET,
    FillParameters,
    fill_parameters,
)
from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.trading.account import AccountState, Rules
from falcon_pipelines.trading.errors import CannotTrade
from falcon_pipelines.trading.moments import Moment, regular_moments
from falcon_pipelines.trading.orders import (
    Costs,
    OrderRequest,
    PartialExit,
    Protection,
    Sizing,
    SizingRule,
    usd,
)
from falcon_pipelines.trading.risk import Limits

if TYPE_CHECKING:
    from falcon_pipelines.strategies.signals import Signals
    from falcon_pipelines.strategies.spec import Spec

OrderIntent = OrderRequest
SIZING_RULES: Mapping[int, SizingRule] = {
    PERCENT_OF_EQUITY: "percent_of_equity",
    RISK_PER_TRADE: "risk_per_trade",
    VOLATILITY_TARGET: "volatility_target",
    FIXED_SHARES: "fixed_shares",
}


@dataclass(frozen=True)
class Strategy:
    """A spec without open parameters, as the trader reads it."""

    name: str
    digest: str
    parameters: FillParameters

    @classmethod
    def of(cls, spec: "Spec") -> "Strategy":
        """Raises CannotRun for a spec whose exits or sizes lack what they refer to."""
        from falcon_pipelines.strategies.spec import spec_hash

        return cls(spec.name, spec_hash(spec), fill_parameters(spec))


def rules_of(spec: "Spec") -> Rules:
    """Costs and limits of a spec on paper: a tenth of a bar's volume where it does not say."""
    share = spec.execution.volume_share
    return Rules(
        Costs(float(spec.execution.fee_bps), float(spec.execution.slippage_bps)),
        Limits(
            volume_share=0.10 if share is None else float(share),
            max_positions=int(spec.execution.max_positions),
        ),
    )


def intents(spec: "Spec", panel: Panel, state: AccountState) -> tuple[OrderIntent, ...]:
    """What the strategy wants after the panel's last bar, in the order in which it should be tried.

    `panel` holds the bars of the spec's timeframe up to now. Raises CannotTrade when its last bar does not
    lie in a regular session.
    """
    from falcon_pipelines.strategies.signals import compute_signals

    moments = regular_moments(panel)
    if not moments or moments[-1][0] != len(panel) - 1:
        raise CannotTrade(
            "the last bar is outside the regular sessions of XNYS: there is nothing to decide on"
        )
    row, moment = moments[-1]
    return decide(Strategy.of(spec), compute_signals(spec, panel), panel, row, moment, state)


def decide(
    strategy: Strategy,
    signals: "Signals",
    panel: Panel,
    row: int,
    moment: Moment,
    state: AccountState,
    scale: Mapping[str, float] | None = None,
) -> tuple[OrderIntent, ...]:
    """The orders that follow from row `row` of the signals, which is the completed bar at `moment`.

    `scale` converts prices of the signals' panel to those that are traded, by ticker, where they differ.
    """
    has_bar = ~np.isnan(panel["close"][row])
    long_in, short_in = signals.entry_long[row], signals.entry_short[row]
    wants_long, wants_short = long_in & ~short_in & has_bar, short_in & ~long_in & has_bar
    leaves = (signals.exit_long[row] | wants_short) & has_bar
    at = decision_time(moment, panel)
    exits = [
        exit_
        for column in np.flatnonzero(leaves).tolist()
        if (exit_ := _exit(strategy, panel.tickers[column], at, moment, state)) is not None
    ]
    entries = []
    for column in np.flatnonzero(wants_long | wants_short).tolist():
        ticker = panel.tickers[column]
        if state.books.quantity(ticker) or _waiting(state, ticker):
            continue
        side = "buy" if wants_long[column] else "sell"
        factor = (scale or {}).get(ticker, 1.0)
        rank = float(signals.rank[row, column])
        entries.append(
            (
                math.inf if math.isnan(rank) else -rank,
                OrderRequest(
                    id=intent_id(state.name, strategy.digest, moment, ticker, side),
                    at=at,
                    ticker=ticker,
                    side=side,  # type: ignore[arg-type]
                    type="market",
                    sizing=_sizing(strategy.parameters, signals, row, column),
                    protect=_protection(strategy.parameters, signals, row, column, factor)
                    if side == "buy"
                    else None,
                    strategy=strategy.name,
                ),
            )
        )
    entries.sort(key=lambda entry: entry[0])
    return (*exits, *(request for _, request in entries))


def intent_id(account: str, digest: str, moment: Moment, ticker: str, side: str) -> str:
    """The client order id: the same decision has the same id, however often it is made."""
    return f"{account}:{digest[:8]}:{moment.time:%Y%m%dT%H%M}:{ticker}:{side}"


def decision_time(moment: Moment, panel: Panel) -> datetime:
    """When the bar at `moment` is complete: the session's close for a day bar, one second in for shorter
    ones.

    Only that it lies before the next bar matters.
    """
    if panel.frequency == "day":
        return session_open_close(moment.session)[1]
    return moment.starts.replace(second=1)


def _waiting(state: AccountState, ticker: str) -> bool:
    return any(order.ticker == ticker and order.side == "buy" for order in state.orders.values())


def _exit(
    strategy: Strategy, ticker: str, at: datetime, moment: Moment, state: AccountState
) -> OrderRequest | None:
    """The sale of all that is held, unless an exit at the next open is on its way."""
    held = state.books.quantity(ticker)
    leaving = any(
        order.ticker == ticker
        and order.side == "sell"
        and ((order.type == "market" and order.role == "order") or order.triggered or order.bars_left == 0)
        for order in state.orders.values()
    )
    if not held or leaving:
        return None
    name = intent_id(state.name, strategy.digest, moment, ticker, "sell")
    return OrderRequest(name, at, ticker, "sell", "market", held, strategy=strategy.name, closes=True)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _sizing(p: FillParameters, signals: "Signals", row: int, column: int) -> Sizing:
    return Sizing(SIZING_RULES[p.sizing], p.size, _known(signals.volatility[row, column]))


def _protection(
    p: FillParameters, signals: "Signals", row: int, column: int, factor: float
) -> Protection | None:
    level: Decimal | None = None
    distance = None
    if p.stop_by_level:
        level = usd(float(signals.stop_level_long[row, column]) * factor)
    if p.stop_by_distance:
        distance = float(signals.stop_distance[row, column]) * factor
    has_stop = (
        p.stop_by_level
        or p.stop_by_distance
        or not math.isnan(p.stop_percent)
        or not math.isnan(p.trailing_percent)
    )
    protection = Protection(
        stop=level,
        stop_pct=_known(p.stop_percent),
        stop_distance=distance,
        target_pct=_known(p.target_percent),
        target_r=_known(p.target_r),
        trail_pct=_known(p.trailing_percent),
        breakeven_pct=_known(p.breakeven_percent),
        breakeven_r=_known(p.breakeven_r),
        max_bars=p.time_stop_bars or None,
        partial=tuple(
            PartialExit(float(fraction), _known(percent), _known(r))
            for fraction, percent, r in zip(p.partial_fraction, p.partial_percent, p.partial_r, strict=True)
        ),
        void_if_passed=has_stop,
        target_first=p.target_first,
    )
    return None if protection == Protection() else protection
