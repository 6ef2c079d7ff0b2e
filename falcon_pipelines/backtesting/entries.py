"""Entries inside the kernel: how many shares, in which order, as far as cash and slots reach. Compiled code."""

from typing import Any

import numpy as np
from numba import njit

from falcon_pipelines.backtesting.book import ENTRY, allowed, count_traded, record
from falcon_pipelines.backtesting.compiled_rules import slipped, trail_level
from falcon_pipelines.backtesting.exits import watch
from falcon_pipelines.backtesting.parameters import FIXED_SHARES, RISK_PER_TRADE, VOLATILITY_TARGET


@njit
def buying_power(cash: float, positions: Any, live: Any, bar: int, opens: Any, filled: Any) -> Any:
    """Equity and free cash in dollars at the open, the columns `live` holding all positions.

    Shorts are backed by their proceeds and as much again.
    """
    equity = cash
    free = cash
    for column in live:
        quantity = positions[column].quantity
        if quantity != 0.0:
            price = opens[bar, column]
            if np.isnan(price):
                price = filled[bar, column]
            equity += quantity * price
            if quantity < 0.0:
                free += 2.0 * quantity * price
    return equity, free


@njit
def initial_stop(side: int, price: float, distance: float, level: float, p: Any) -> Any:
    """The tightest protective stop of a fill at `price`; NaN without one or where the spec's is not known."""
    stop = np.nan
    has_stop = p.stop_percent > 0.0 or p.stop_by_distance or p.stop_by_level
    if p.stop_percent > 0.0:
        stop = price * (1.0 - side * p.stop_percent / 100.0)
    elif p.stop_by_distance:
        stop = price - side * distance
    elif p.stop_by_level:
        stop = level
    if p.trailing_percent > 0.0:
        trail = trail_level(side, price, p.trailing_percent)
        if not has_stop or side * trail > side * stop:
            stop = trail
    return stop


@njit
def wanted_shares(equity: float, price: float, stop: float, volatility: float, p: Any) -> Any:
    """Whole shares the sizing rule asks for at `price` (costs included), before cash limits it."""
    cost = price * (1.0 + p.fee_bps / 10_000.0)
    if p.sizing == FIXED_SHARES:
        return np.floor(p.size)
    budget = equity * p.size / 100.0
    if p.sizing == RISK_PER_TRADE:
        shares = budget / abs(price - stop)
    elif p.sizing == VOLATILITY_TARGET:
        shares = equity * min(1.0, p.size / 100.0 / volatility) / cost if volatility > 0.0 else 0.0
    else:
        shares = budget / cost
    return np.floor(shares + 1e-9)


@njit
def affordable(free: float, price: float, fee_bps: float) -> Any:
    """The most whole shares that `free` dollars pay for, fee included."""
    if free <= 0.0:
        return 0.0
    shares = np.floor(free / (price * (1.0 + fee_bps / 10_000.0)))
    while shares > 0.0 and shares * price + shares * price * fee_bps / 10_000.0 > free:
        shares -= 1.0
    return shares


@njit
def open_position(position: Any, filled: float, price: float, stop: float, p: Any) -> None:
    """The position after `filled` more shares at `price`: its levels follow from the average fill price."""
    side = position.wanted_side
    before = abs(position.quantity)
    if before == 0.0:
        position.entry_price = price
        position.bars_held = 0
        position.best = price
        position.at_breakeven = False
        position.exit_reason = 0
    else:
        position.entry_price = (before * position.entry_price + filled * price) / (before + filled)
    position.quantity += side * filled
    position.stop = stop
    position.risk = side * (position.entry_price - stop)
    for k in range(p.partials):
        position.partial_left[k] = np.floor(abs(position.quantity) * p.partial_fraction[k] + 1e-9)
    watch(position, p)


@njit
def fill_entry(
    orders: Any, account: Any, position: Any, bar: int, column: int, open_: float, volume: float, equity: float,
    free: float, slots: int, p: Any,
) -> Any:  # fmt: skip
    """Fill one waiting entry at the open, as far as free cash, free slots and volume allow.

    What volume does not allow stays open. Returns the orders, the free cash used and the slots used.
    """
    side = position.wanted_side
    price = slipped(side, open_, p.slippage_bps)
    level, distance = position.wanted_level, position.wanted_distance
    stop = initial_stop(side, price, distance, level, p)
    held = abs(position.quantity)
    quantity = position.wanted_quantity
    position.wanted_side = 0
    position.wanted_quantity = 0.0
    if held == 0.0:
        has_stop = p.stop_percent > 0.0 or p.stop_by_distance or p.stop_by_level or p.trailing_percent > 0.0
        if has_stop and not side * stop < side * price:
            account.void += 1
            return orders, 0.0, 0
        if slots <= 0:
            account.dropped += 1
            return orders, 0.0, 0
        if quantity == 0.0:
            quantity = wanted_shares(equity, price, stop, position.wanted_volatility, p)
    within_cash = affordable(free, price, p.fee_bps)
    if quantity > within_cash:
        if within_cash > 0.0:
            account.cut += 1
        else:
            account.dropped += 1
        quantity = within_cash
    if quantity <= 0.0:
        return orders, 0.0, 0
    filled = allowed(quantity, position, bar, volume, p)
    position.wanted_side = side
    if filled > 0.0:
        if held > 0.0:
            average = (held * position.entry_price + filled * price) / (held + filled)
            stop = initial_stop(side, average, distance, level, p)
        orders = record(orders, account, bar, column, side * filled, price, p, ENTRY, False)
        count_traded(position, bar, filled)
        open_position(position, filled, price, stop, p)
    position.wanted_quantity = quantity - filled
    if position.wanted_quantity <= 0.0:
        position.wanted_side = 0
    return orders, filled * price * (1.0 + p.fee_bps / 10_000.0), 1 if held == 0.0 else 0


@njit
def sort_by_rank(positions: Any, waiting: Any) -> None:
    """Order the columns that wait for an entry: best rank first, equal ranks by column, unknown ones last."""
    keys = np.empty(len(waiting))
    ordered = True
    for i in range(len(waiting)):
        rank = positions[waiting[i]].wanted_rank
        keys[i] = np.inf if np.isnan(rank) else -rank
        ordered = ordered and (i == 0 or keys[i - 1] <= keys[i])
    if not ordered:
        waiting[:] = waiting[np.argsort(keys, kind="mergesort")]
