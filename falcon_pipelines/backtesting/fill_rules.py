"""How an order meets a bar: the one implementation of the fill rules, for backtests and paper trading alike.

Scalar functions: paper trading calls them as they are, the backtest kernel as `compiled_rules` makes them known to
numba, which this module does not load. Prices are US dollars; `side` is BUY or SELL; a price of NaN means "not
filled". No order state, no costs beyond slippage, no portfolio: those belong to the callers.
"""

import math

import numpy as np

BUY = 1
SELL = -1

AT_OPEN = 0
"""The position is held from the bar's open (or longer): all of the bar comes after the entry."""
BY_LIMIT = 1
"""Entered inside the bar by a limit: the adverse extreme comes after the entry, the favourable one may not."""
BY_STOP = 2
"""Entered inside the bar by a stop: the favourable extreme comes after the entry, the adverse one may not."""

NO_EXIT = 0
STOPPED = 1
TARGET_REACHED = 2


def stop_fill(side: int, stop: float, open_: float, high: float, low: float) -> float:
    """Fill price of a stop order: the open where the bar gapped through it, else the stop itself."""
    if side == BUY:
        if open_ >= stop:
            return open_
        return stop if high >= stop else math.nan
    if open_ <= stop:
        return open_
    return stop if low <= stop else math.nan


def limit_fill(side: int, limit: float, open_: float, high: float, low: float) -> float:
    """Fill price of a limit order: only when traded through, at the limit or at a better open."""
    if side == BUY:
        return min(open_, limit) if low < limit else math.nan
    return max(open_, limit) if high > limit else math.nan


def fills_at_open(side: int, limit: float, open_: float) -> bool:
    """Whether a resting limit order fills at the open, before anything else of the bar: where that is better."""
    return side * open_ < side * limit


def stop_limit_fill(
    side: int, stop: float, limit: float, open_: float, high: float, low: float, close: float
) -> tuple[bool, float]:
    """Whether the stop triggers on this bar, and the fill price of the limit order it becomes.

    After a trigger inside the bar only the trigger price and the close are known to come later, so the limit
    fills on the same bar only where one of those two is through it.
    """
    trigger = stop_fill(side, stop, open_, high, low)
    if math.isnan(trigger):
        return False, math.nan
    if trigger == open_:
        return True, limit_fill(side, limit, open_, high, low)
    if side * trigger < side * limit:
        return True, trigger
    if side * close < side * limit:
        return True, limit
    return True, math.nan


def protective_exit(
    direction: int,
    stop: float,
    target: float,
    open_: float,
    high: float,
    low: float,
    close: float,
    entered: int,
) -> tuple[float, int, bool]:
    """Where a position's stop (a stop order) and target (a limit order) end it on this bar.

    `direction` is 1 for long, -1 for short; a NaN `stop` or `target` is absent; `entered` says what of the bar
    comes after the entry. Returns the price before slippage, NO_EXIT, STOPPED or TARGET_REACHED, and whether
    the order of events inside the bar is unknown: then the stop is taken and the exit is ambiguous. An open
    beyond the target, or at or beyond the stop, leaves no doubt: that one filled first.
    """
    side = -direction
    if entered == AT_OPEN:
        if fills_at_open(side, target, open_):
            return open_, TARGET_REACHED, False
        stop_price = stop_fill(side, stop, open_, high, low)
        if stop_price == open_:
            return open_, STOPPED, False
        target_price = limit_fill(side, target, open_, high, low)
        uncertain = False
    else:
        touched = low <= stop if direction > 0 else high >= stop
        stop_price = stop if touched else math.nan
        reached = high > target if direction > 0 else low < target
        if entered == BY_LIMIT:
            reached = direction * close > direction * target
        target_price = target if reached else math.nan
        uncertain = entered == BY_STOP and touched and direction * close > direction * stop
    if not math.isnan(stop_price):
        return stop_price, STOPPED, uncertain or not math.isnan(target_price)
    if not math.isnan(target_price):
        return target_price, TARGET_REACHED, False
    return math.nan, NO_EXIT, False


def trail_level(direction: int, best: float, trail_pct: float) -> float:
    """Level of a trailing stop below the best (above the lowest, for a short) price of completed bars."""
    return best * (1.0 - direction * trail_pct / 100.0)


def slipped(side: int, price: float, slippage_bps: float) -> float:
    """The price after slippage, which is always against the trader; for market and stop fills only."""
    return price * (1.0 + side * slippage_bps / 10_000.0)


def capacity(bar_volume: float, volume_share: float) -> float:
    """Whole shares that may trade on a bar when an order may take at most `volume_share` (0 to 1) of it."""
    return float(np.floor(bar_volume * volume_share + 1e-9))
