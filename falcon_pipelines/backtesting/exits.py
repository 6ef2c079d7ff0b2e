"""Exits inside the kernel: where stops, targets and partial exits lie, and what a bar reaches. Compiled code."""

from typing import Any

import numpy as np
from numba import njit

from falcon_pipelines.backtesting.book import BREAKEVEN, PARTIAL, STOP, TARGET, TIME_STOP, TRAILING, reduce
from falcon_pipelines.backtesting.compiled_rules import (
    fills_at_open,
    limit_fill,
    protective_exit,
    slipped,
    trail_level,
)
from falcon_pipelines.backtesting.fill_rules import AT_OPEN, NO_EXIT, STOPPED


@njit
def target_level(position: Any, percent: float, r_multiple: float) -> Any:
    """Price of a percent or R target of an open position; NaN without one."""
    side = 1 if position.quantity > 0 else -1
    if not np.isnan(percent):
        return position.entry_price * (1.0 + side * percent / 100.0)
    return position.entry_price + side * r_multiple * position.risk


@njit
def live_stop(position: Any, p: Any) -> Any:
    """The tightest of initial, breakeven and trailing stop, and which of them it is."""
    side = 1 if position.quantity > 0 else -1
    stop = position.stop
    reason = STOP
    if position.at_breakeven and (np.isnan(stop) or side * position.entry_price > side * stop):
        stop = position.entry_price
        reason = BREAKEVEN
    if p.trailing_percent > 0.0:
        trail = trail_level(side, position.best, p.trailing_percent)
        if np.isnan(stop) or side * trail >= side * stop:
            stop = trail
            reason = TRAILING
    return stop, reason


@njit
def watch(position: Any, p: Any) -> None:
    """Note between which prices a bar leaves the position alone."""
    side = 1 if position.quantity > 0 else -1
    stop, _ = live_stop(position, p)
    goal = target_level(position, p.target_percent, p.target_r)
    for k in range(p.partials):
        if position.partial_left[k] > 0.0:
            level = target_level(position, p.partial_percent[k], p.partial_r[k])
            if np.isnan(goal) or side * level < side * goal:
                goal = level
    position.below = stop if side > 0 else goal
    position.above = goal if side > 0 else stop
    if np.isnan(position.below):
        position.below = -np.inf
    if np.isnan(position.above):
        position.above = np.inf


@njit
def inside_bar(
    orders: Any, account: Any, position: Any, bar: int, column: int, open_: float, high: float, low: float,
    close: float, volume: float, p: Any,
) -> Any:  # fmt: skip
    """Stop, partial exits and target of one position within one bar."""
    side = 1 if position.quantity > 0 else -1
    stop, stop_reason = live_stop(position, p)
    target = target_level(position, p.target_percent, p.target_r)
    for k in range(p.partials):
        level = target_level(position, p.partial_percent[k], p.partial_r[k])
        if position.partial_left[k] > 0.0 and fills_at_open(-side, level, open_):
            orders, sold = reduce(
                orders,
                account,
                position,
                bar,
                column,
                position.partial_left[k],
                open_,
                PARTIAL,
                False,
                volume,
                p,
            )
            position.partial_left[k] -= sold
    if fills_at_open(-side, target, open_) and position.quantity != 0.0:
        orders, _ = reduce(
            orders, account, position, bar, column, abs(position.quantity), open_, TARGET, False, volume, p
        )
    if position.quantity == 0.0:
        return orders
    nearest = np.nan if fills_at_open(-side, target, open_) else target
    for k in range(p.partials):
        if position.partial_left[k] > 0.0:
            level = target_level(position, p.partial_percent[k], p.partial_r[k])
            inside = not fills_at_open(-side, level, open_)
            if inside and (np.isnan(nearest) or side * level < side * nearest):
                nearest = level
    price, outcome, odd = protective_exit(side, stop, nearest, open_, high, low, close, AT_OPEN)
    if outcome == NO_EXIT:
        return orders
    stopped = outcome == STOPPED
    gapped = stopped and side * open_ <= side * stop
    if not stopped or (odd and p.target_first and not gapped):
        for k in range(p.partials):
            if position.partial_left[k] > 0.0:
                level = target_level(position, p.partial_percent[k], p.partial_r[k])
                at = limit_fill(-side, level, open_, high, low)
                if not np.isnan(at):
                    orders, sold = reduce(
                        orders, account, position, bar, column, position.partial_left[k], at, PARTIAL, stopped,
                        volume, p,
                    )  # fmt: skip
                    position.partial_left[k] -= sold
        at = limit_fill(-side, target, open_, high, low)
        if not np.isnan(at) and position.quantity != 0.0:
            orders, _ = reduce(
                orders, account, position, bar, column, abs(position.quantity), at, TARGET, stopped, volume, p
            )
    if stopped and position.quantity != 0.0:
        at = slipped(-side, price, p.slippage_bps)
        orders, _ = reduce(
            orders, account, position, bar, column, abs(position.quantity), at, stop_reason, odd, volume, p
        )
        if position.quantity != 0.0:
            position.exit_reason = stop_reason
    return orders


@njit
def complete_bar(position: Any, high: float, low: float, p: Any) -> None:
    """What a completed bar changes: the best price, breakeven, the number of bars held."""
    side = 1 if position.quantity > 0 else -1
    extreme = high if side > 0 else low
    if side * extreme > side * position.best:
        position.best = extreme
    position.bars_held += 1
    level = target_level(position, p.breakeven_percent, p.breakeven_r)
    if not np.isnan(level) and side * position.best >= side * level:
        position.at_breakeven = True
    if position.at_breakeven or p.trailing_percent > 0.0:
        watch(position, p)
    if p.time_stop_bars > 0 and position.bars_held >= p.time_stop_bars and position.exit_reason == 0:
        position.exit_reason = TIME_STOP
