"""The fill kernel: turns signals over bars into fills of one account. Decides when and how much; every price
comes from `fill_rules`. Statistics, trades and reports are made elsewhere from the fills.

Within a bar: scheduled exits at the open, then entries at the open in order of rank, then stops, targets and
partial exits inside the bar, then the close: delistings, trailing and breakeven levels, margin, and the signals
that schedule what happens at the next open.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from falcon_pipelines.backtesting.fill_rules import (
    AT_OPEN,
    BUY,
    NO_EXIT,
    SELL,
    STOPPED,
    capacity,
    limit_fill,
    protective_exit,
    slipped,
    trail_level,
)
from falcon_pipelines.backtesting.parameters import (
    FIXED_SHARES,
    RISK_PER_TRADE,
    VOLATILITY_TARGET,
    FillParameters,
)

REASONS = (
    "entry",
    "signal",
    "reversal",
    "stop",
    "trailing",
    "breakeven",
    "target",
    "partial",
    "time_stop",
    "delisted",
    "margin_call",
)
"""What an order was for, by its code."""
ENTRY, SIGNAL, REVERSAL, STOP, TRAILING, BREAKEVEN, TARGET, PARTIAL, TIME_STOP, DELISTED, MARGIN_CALL = range(
    11
)

ORDER = np.dtype(
    [
        ("bar", np.int64),
        ("column", np.int64),
        ("size", np.float64),
        ("price", np.float64),
        ("fee", np.float64),
        ("reason", np.int64),
        ("ambiguous", np.bool_),
    ]
)
"""One fill: whole shares (negative for a sale), the price after slippage in dollars, the fee in dollars."""

_POSITION = np.dtype(
    [
        ("quantity", np.float64),
        ("entry_price", np.float64),
        ("bars_held", np.int64),
        ("stop", np.float64),
        ("risk", np.float64),
        ("best", np.float64),
        ("at_breakeven", np.bool_),
        ("exit_reason", np.int64),
        ("wanted_side", np.int64),
        ("wanted_quantity", np.float64),
        ("wanted_since", np.int64),
        ("traded", np.float64),
    ]
)

_ACCOUNT = np.dtype(
    [("cash", np.float64), ("fills", np.int64), ("cut", np.int64), ("dropped", np.int64), ("void", np.int64)]
)
"""Beside cash and the number of fills: entries cut to the cash at hand, dropped for want of cash or a slot, and
void because their stop was unknown or already passed at the open."""

SHORT_MAINTENANCE = 1.3
"""Cash that must back each dollar of short positions at a close (FINRA Rule 4210(c)(3): 30 % above the value);
below it the shorts are bought in at the next open."""


@njit(cache=True)
def _record(orders, account, bar, column, size, price, fee_bps, reason, ambiguous):
    """Book one fill; returns the order array, grown where it was full."""
    count = account.fills
    if count == len(orders):
        grown = np.empty(2 * len(orders), orders.dtype)
        grown[:count] = orders
        orders = grown
    order = orders[count]
    order.bar = bar
    order.column = column
    order.size = size
    order.price = price
    order.fee = abs(size) * price * fee_bps / 10_000.0
    order.reason = reason
    order.ambiguous = ambiguous
    account.fills = count + 1
    account.cash -= size * price + order.fee
    return orders


@njit(cache=True)
def _allowed(quantity, position, bar_volume, volume_share):
    """How much of `quantity` the bar's volume still allows."""
    if np.isnan(volume_share):
        return quantity
    if np.isnan(bar_volume):
        return 0.0
    return min(quantity, max(0.0, capacity(bar_volume, volume_share) - position.traded))


@njit(cache=True)
def _reduce(orders, account, position, bar, column, quantity, price, p, reason, ambiguous, volume):
    """Close up to `quantity` shares at `price`; ends the position's entry order. Returns orders and shares."""
    quantity = _allowed(min(quantity, abs(position.quantity)), position, volume, p.volume_share)
    if position.wanted_quantity > 0.0:
        position.wanted_side = 0
        position.wanted_quantity = 0.0
    if quantity <= 0.0:
        return orders, 0.0
    side = SELL if position.quantity > 0 else BUY
    orders = _record(orders, account, bar, column, side * quantity, price, p.fee_bps, reason, ambiguous)
    position.quantity += side * quantity
    position.traded += quantity
    if position.quantity == 0.0:
        position.exit_reason = 0
    return orders, quantity


@njit(cache=True)
def _buying_power(account, positions, opens, last_close):
    """Equity and free cash in dollars at the open: shorts are backed by their proceeds and as much again."""
    equity = account.cash
    free = account.cash
    for column in range(len(positions)):
        quantity = positions[column].quantity
        if quantity != 0.0:
            price = opens[column] if not np.isnan(opens[column]) else last_close[column]
            equity += quantity * price
            if quantity < 0.0:
                free += 2.0 * quantity * price
    return equity, free


@njit(cache=True)
def _initial_stop(side, price, distance, level, p):
    """The tightest protective stop of a fill at `price`; NaN without one or where the spec's is not known."""
    stop = np.nan
    has_stop = p.stop_percent > 0.0 or p.stop_by_distance or p.stop_by_level
    if not np.isnan(p.stop_percent):
        stop = price * (1.0 - side * p.stop_percent / 100.0)
    elif p.stop_by_distance:
        stop = price - side * distance
    elif p.stop_by_level:
        stop = level
    if not np.isnan(p.trailing_percent):
        trail = trail_level(side, price, p.trailing_percent)
        if not has_stop or side * trail > side * stop:
            stop = trail
    return stop


@njit(cache=True)
def _wanted_shares(equity, price, stop, volatility, p):
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


@njit(cache=True)
def _affordable(free, price, fee_bps):
    """The most whole shares that `free` dollars pay for, fee included."""
    if free <= 0.0:
        return 0.0
    shares = np.floor(free / (price * (1.0 + fee_bps / 10_000.0)))
    while shares > 0.0 and shares * price + shares * price * fee_bps / 10_000.0 > free:
        shares -= 1.0
    return shares


@njit(cache=True)
def _set_levels(position, partial_left, stop, p):
    """Levels that follow from the (average) fill price, live from the entry bar on."""
    side = 1 if position.quantity > 0 else -1
    position.stop = stop
    position.risk = side * (position.entry_price - stop)
    for k in range(len(partial_left)):
        partial_left[k] = np.floor(abs(position.quantity) * p.partial_fraction[k] + 1e-9)


@njit(cache=True)
def _enter(orders, account, position, partial_left, bar, column, price, stop, quantity, p, volume):
    """Fill up to `quantity` shares of an entry; what the bar's volume does not allow stays open."""
    side = position.wanted_side
    filled = _allowed(quantity, position, volume, p.volume_share)
    position.wanted_quantity = quantity - filled
    if filled > 0.0:
        before = abs(position.quantity)
        orders = _record(orders, account, bar, column, side * filled, price, p.fee_bps, ENTRY, False)
        position.traded += filled
        if before == 0.0:
            position.entry_price = price
            position.bars_held = 0
            position.best = price
            position.at_breakeven = False
            position.exit_reason = 0
        else:
            position.entry_price = (before * position.entry_price + filled * price) / (before + filled)
        position.quantity += side * filled
        _set_levels(position, partial_left, stop, p)
    if position.wanted_quantity <= 0.0:
        position.wanted_side = 0
    return orders


@njit(cache=True)
def _target_level(position, percent, r_multiple):
    """Price of a percent or R target of an open position; NaN without one."""
    side = 1 if position.quantity > 0 else -1
    if not np.isnan(percent):
        return position.entry_price * (1.0 + side * percent / 100.0)
    return position.entry_price + side * r_multiple * position.risk


@njit(cache=True)
def _live_stop(position, p):
    """The tightest of initial, breakeven and trailing stop, and which of them it is."""
    side = 1 if position.quantity > 0 else -1
    stop = position.stop
    reason = STOP
    if position.at_breakeven and (np.isnan(stop) or side * position.entry_price > side * stop):
        stop = position.entry_price
        reason = BREAKEVEN
    if not np.isnan(p.trailing_percent):
        trail = trail_level(side, position.best, p.trailing_percent)
        if np.isnan(stop) or side * trail >= side * stop:
            stop = trail
            reason = TRAILING
    return stop, reason


@njit(cache=True)
def _inside_bar(orders, account, position, partial_left, bar, column, open_, high, low, close, volume, p):
    """Stop, partial exits and target of one position within one bar."""
    side = 1 if position.quantity > 0 else -1
    stop, stop_reason = _live_stop(position, p)
    target = _target_level(position, p.target_percent, p.target_r)
    nearest = target
    for k in range(len(partial_left)):
        if partial_left[k] > 0.0:
            level = _target_level(position, p.partial_percent[k], p.partial_r[k])
            if np.isnan(nearest) or side * level < side * nearest:
                nearest = level
    price, outcome, ambiguous = protective_exit(side, stop, nearest, open_, high, low, close, AT_OPEN)
    if outcome == NO_EXIT:
        return orders
    gapped = outcome == STOPPED and side * open_ <= side * stop
    stopped = outcome == STOPPED
    if not stopped or (ambiguous and p.target_first and not gapped):
        for k in range(len(partial_left)):
            if partial_left[k] > 0.0:
                level = _target_level(position, p.partial_percent[k], p.partial_r[k])
                at = limit_fill(-side, level, open_, high, low)
                if not np.isnan(at):
                    orders, sold = _reduce(
                        orders,
                        account,
                        position,
                        bar,
                        column,
                        partial_left[k],
                        at,
                        p,
                        PARTIAL,
                        stopped,
                        volume,
                    )
                    partial_left[k] -= sold
        at = limit_fill(-side, target, open_, high, low)
        if not np.isnan(at) and position.quantity != 0.0:
            orders, _ = _reduce(
                orders, account, position, bar, column, abs(position.quantity), at, p, TARGET, stopped, volume
            )
    if stopped and position.quantity != 0.0:
        at = slipped(-side, price, p.slippage_bps)
        orders, _ = _reduce(
            orders,
            account,
            position,
            bar,
            column,
            abs(position.quantity),
            at,
            p,
            stop_reason,
            ambiguous,
            volume,
        )
        if position.quantity != 0.0:
            position.exit_reason = stop_reason
    return orders


@njit(cache=True)
def _complete_bar(position, high, low, p):
    """What a completed bar changes: the best price, breakeven, the number of bars held."""
    side = 1 if position.quantity > 0 else -1
    extreme = high if side > 0 else low
    if side * extreme > side * position.best:
        position.best = extreme
    position.bars_held += 1
    level = _target_level(position, p.breakeven_percent, p.breakeven_r)
    if not np.isnan(level) and side * position.best >= side * level:
        position.at_breakeven = True
    if p.time_stop_bars > 0 and position.bars_held >= p.time_stop_bars and position.exit_reason == 0:
        position.exit_reason = TIME_STOP


@njit(cache=True)
def _read_signals(position, bar, long_in, long_out, short_in, short_out):
    """Schedule for the next open what a completed bar signals.

    Exits count only while holding; an entry against the position closes it and opens the other side; a bar
    that signals long and short entries at once signals neither.
    """
    side = 0
    if long_in != short_in:
        side = 1 if long_in else -1
    if position.quantity == 0.0:
        if side != 0:
            position.wanted_side = side
            position.wanted_quantity = 0.0
            position.wanted_since = bar
        return
    held = 1 if position.quantity > 0 else -1
    if position.exit_reason == 0:
        if (long_out and held > 0) or (short_out and held < 0):
            position.exit_reason = SIGNAL
        elif side == -held:
            position.exit_reason = REVERSAL
    if side == -held:
        position.wanted_side = side
        position.wanted_quantity = 0.0
        position.wanted_since = bar


@njit(cache=True)
def _enter_by_rank(
    orders,
    account,
    positions,
    partial_left,
    bar,
    opens,
    volumes,
    last_close,
    waiting,
    order_of_entry,
    signals,
    p,
):
    """Fill the entries that wait for this open, best rank first, while cash and slots last."""
    distance, level_long, level_short, volatility = signals
    equity, free = _buying_power(account, positions, opens, last_close)
    held = 0
    for position in positions:
        if position.quantity != 0.0:
            held += 1
    for i in order_of_entry:
        column = waiting[i]
        position = positions[column]
        side = position.wanted_side
        since = position.wanted_since
        price = slipped(side, opens[column], p.slippage_bps)
        adding = position.quantity != 0.0
        if adding:
            before = abs(position.quantity)
            quantity = position.wanted_quantity
        else:
            before = 0.0
            quantity = 0.0
        level = level_long[since, column] if side > 0 else level_short[since, column]
        stop = _initial_stop(side, price, distance[since, column], level, p)
        has_stop = p.stop_percent > 0.0 or p.stop_by_distance or p.stop_by_level or p.trailing_percent > 0.0
        if not adding:
            if has_stop and not side * stop < side * price:
                account.void += 1
                position.wanted_side = 0
                continue
            if held >= p.max_positions:
                account.dropped += 1
                position.wanted_side = 0
                continue
            quantity = position.wanted_quantity
            if quantity == 0.0:
                quantity = _wanted_shares(equity, price, stop, volatility[since, column], p)
        affordable = _affordable(free, price, p.fee_bps)
        if quantity > affordable:
            if affordable > 0.0:
                account.cut += 1
            else:
                account.dropped += 1
            quantity = affordable
        if quantity <= 0.0:
            position.wanted_side = 0
            position.wanted_quantity = 0.0
            continue
        if adding and not p.stop_by_level:
            average = (before * position.entry_price + quantity * price) / (before + quantity)
            stop = _initial_stop(side, average, distance[since, column], level, p)
        cash = account.cash
        size_before = position.quantity
        orders = _enter(
            orders,
            account,
            position,
            partial_left[column],
            bar,
            column,
            price,
            stop,
            quantity,
            p,
            volumes[column],
        )
        if side > 0:
            free -= cash - account.cash
        else:
            free -= abs(position.quantity - size_before) * price * (1.0 + p.fee_bps / 10_000.0)
        if not adding:
            held += 1
    return orders


@njit(cache=True)
def simulate(
    open_: NDArray[np.float64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    close: NDArray[np.float64],
    volume: NDArray[np.float64],
    entry_long: NDArray[np.bool_],
    exit_long: NDArray[np.bool_],
    entry_short: NDArray[np.bool_],
    exit_short: NDArray[np.bool_],
    stop_distance: NDArray[np.float64],
    stop_level_long: NDArray[np.float64],
    stop_level_short: NDArray[np.float64],
    rank: NDArray[np.float64],
    volatility: NDArray[np.float64],
    parameters: FillParameters,
    cash: float,
) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Fills of one account that starts with `cash` dollars and trades the N columns of (T, N) arrays.

    Bars are NaN where a ticker has none; orders then wait for its next bar. A position whose bars end before
    the last row is closed at its last close. Returns the fills (dtype ORDER, in order of execution) and one
    record with the account's cash and the numbers of entries cut, dropped and void.
    """
    bars, columns = close.shape
    p = parameters
    orders = np.empty(256, ORDER)
    accounts = np.zeros(1, _ACCOUNT)
    account = accounts[0]
    account.cash = cash
    positions: Any = np.zeros(columns, _POSITION)
    partial_left = np.zeros((columns, len(p.partial_fraction)))
    last_close = np.full(columns, np.nan)
    last_bar = np.full(columns, -1)
    waiting = np.empty(columns, np.int64)
    sort_keys = np.empty(columns)
    for column in range(columns):
        for bar in range(bars - 1, -1, -1):
            if not np.isnan(close[bar, column]):
                last_bar[column] = bar
                break
    signals = (stop_distance, stop_level_long, stop_level_short, volatility)

    for bar in range(bars):
        entries = 0
        for column in range(columns):
            position = positions[column]
            if np.isnan(close[bar, column]):
                continue
            position.traded = 0.0
            if position.quantity != 0.0 and position.exit_reason != 0:
                side = SELL if position.quantity > 0 else BUY
                orders, _ = _reduce(
                    orders,
                    account,
                    position,
                    bar,
                    column,
                    abs(position.quantity),
                    slipped(side, open_[bar, column], p.slippage_bps),
                    p,
                    position.exit_reason,
                    False,
                    volume[bar, column],
                )
            if position.wanted_side != 0 and position.quantity * position.wanted_side >= 0.0:
                waiting[entries] = column
                key = rank[position.wanted_since, column]
                sort_keys[entries] = np.inf if np.isnan(key) else -key
                entries += 1
        if entries == 1:
            order_of_entry = np.zeros(1, np.int64)
        elif entries > 1:
            order_of_entry = np.argsort(sort_keys[:entries], kind="mergesort")
        if entries > 0:
            orders = _enter_by_rank(
                orders, account, positions, partial_left, bar, open_[bar], volume[bar], last_close,
                waiting, order_of_entry, signals, p,
            )  # fmt: skip

        for column in range(columns):
            if positions[column].quantity != 0.0 and not np.isnan(close[bar, column]):
                orders = _inside_bar(
                    orders, account, positions[column], partial_left[column], bar, column, open_[bar, column],
                    high[bar, column], low[bar, column], close[bar, column], volume[bar, column], p,
                )  # fmt: skip

        short_value = 0.0
        for column in range(columns):
            position = positions[column]
            if np.isnan(close[bar, column]):
                if position.quantity < 0.0:
                    short_value -= position.quantity * last_close[column]
                continue
            last_close[column] = close[bar, column]
            if last_bar[column] == bar and bar < bars - 1:
                if position.quantity != 0.0:
                    orders = _record(
                        orders,
                        account,
                        bar,
                        column,
                        -position.quantity,
                        close[bar, column],
                        p.fee_bps,
                        DELISTED,
                        False,
                    )
                    position.quantity = 0.0
                position.wanted_side = 0
                continue
            if position.quantity != 0.0:
                _complete_bar(position, high[bar, column], low[bar, column], p)
                if position.quantity < 0.0:
                    short_value -= position.quantity * close[bar, column]
            _read_signals(
                position, bar, entry_long[bar, column], exit_long[bar, column],
                entry_short[bar, column], exit_short[bar, column],
            )  # fmt: skip
        if (short_value > 0.0 and account.cash < SHORT_MAINTENANCE * short_value) or account.cash < 0.0:
            for position in positions:
                if position.quantity < 0.0 or (position.quantity > 0.0 and account.cash < 0.0):
                    position.exit_reason = MARGIN_CALL
                    position.wanted_side = 0
                    position.wanted_quantity = 0.0
    return orders[: account.fills].copy(), accounts
