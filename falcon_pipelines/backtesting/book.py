"""The books of one account inside the kernel: fills, cash, and what is known of each position. Compiled code."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from falcon_pipelines.backtesting.compiled_rules import capacity
from falcon_pipelines.backtesting.fill_rules import BUY, SELL
from falcon_pipelines.backtesting.parameters import MAX_PARTIALS

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

POSITION = np.dtype(
    [
        ("quantity", np.float64),
        ("below", np.float64),
        ("above", np.float64),
        ("exit_reason", np.int64),
        ("wanted_side", np.int64),
        ("wanted_quantity", np.float64),
        ("wanted_level", np.float64),
        ("wanted_distance", np.float64),
        ("wanted_volatility", np.float64),
        ("wanted_rank", np.float64),
        ("entry_price", np.float64),
        ("bars_held", np.int64),
        ("stop", np.float64),
        ("risk", np.float64),
        ("best", np.float64),
        ("at_breakeven", np.bool_),
        ("traded", np.float64),
        ("traded_at", np.int64),
        ("partial_left", np.float64, (MAX_PARTIALS,)),
    ],
    align=True,
)
"""A ticker's position and its open orders: `exit_reason` waits for the next open unless 0; `wanted_side` is an
entry that waits, its quantity 0 until it is sized, the other `wanted_*` what its signal said of stop, volatility
and rank; `best` is the best price of completed bars; a bar that stays between `below` and `above` cannot fill any
exit; `traded` shares of bar `traded_at` count against the bar's volume; `partial_left` shares wait to be sold in
part."""

ACCOUNT = np.dtype(
    [("cash", np.float64), ("fills", np.int64), ("cut", np.int64), ("dropped", np.int64), ("void", np.int64)]
)
"""Beside cash and the number of fills: entries cut to the cash at hand, dropped for want of cash or of a slot,
and void because their stop was unknown or already passed at the open."""


class BarArrays(NamedTuple):
    """(T, N) bars in dollars and shares, NaN where a ticker has none; `filled` is the last close so far.

    `gapless` says that every ticker has every bar, which spares the looking.
    """

    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    filled: NDArray[np.float64]
    gapless: bool


class SignalArrays(NamedTuple):
    """The (T, N) arrays of `strategies.signals.Signals`: masks as bytes of 0 and 1, numbers that are the same
    everywhere as (1, 1)."""

    entry_long: NDArray[np.uint8]
    exit_long: NDArray[np.uint8]
    entry_short: NDArray[np.uint8]
    exit_short: NDArray[np.uint8]
    stop_distance: NDArray[np.float64]
    stop_level_long: NDArray[np.float64]
    stop_level_short: NDArray[np.float64]
    rank: NDArray[np.float64]
    volatility: NDArray[np.float64]


def as_read(array: NDArray[Any]) -> NDArray[Any]:
    """One of the arrays as compiled code takes it, from numbers that may be broadcast from a single one."""
    if array.dtype == np.bool_:
        return np.ascontiguousarray(array).view(np.uint8)
    return array[:1, :1].copy() if array.strides == (0, 0) else np.ascontiguousarray(array, dtype=np.float64)


@njit
def record(
    orders: Any,
    account: Any,
    bar: int,
    column: int,
    size: float,
    price: float,
    p: Any,
    reason: int,
    odd: bool,
) -> Any:
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
    order.fee = abs(size) * price * p.fee_bps / 10_000.0
    order.reason = reason
    order.ambiguous = odd
    account.fills = count + 1
    account.cash -= size * price + order.fee
    return orders


@njit
def allowed(quantity: float, position: Any, bar: int, volume: float, p: Any) -> Any:
    """How much of `quantity` the bar's volume still allows."""
    if np.isnan(p.volume_share):
        return quantity
    if np.isnan(volume):
        return 0.0
    used = position.traded if position.traded_at == bar else 0.0
    return min(quantity, max(0.0, capacity(volume, p.volume_share) - used))


@njit
def count_traded(position: Any, bar: int, quantity: float) -> None:
    """Remember what the position took of the bar's volume."""
    if position.traded_at != bar:
        position.traded = 0.0
        position.traded_at = bar
    position.traded += quantity


@njit
def reduce(
    orders: Any,
    account: Any,
    position: Any,
    bar: int,
    column: int,
    quantity: float,
    price: float,
    reason: int,
    odd: bool,
    volume: float,
    p: Any,
) -> Any:
    """Close up to `quantity` shares at `price`; ends the position's entry order. Returns orders and shares."""
    quantity = allowed(min(quantity, abs(position.quantity)), position, bar, volume, p)
    if position.wanted_quantity > 0.0:
        position.wanted_side = 0
        position.wanted_quantity = 0.0
    if quantity <= 0.0:
        return orders, 0.0
    side = SELL if position.quantity > 0 else BUY
    orders = record(orders, account, bar, column, side * quantity, price, p, reason, odd)
    position.quantity += side * quantity
    count_traded(position, bar, quantity)
    if position.quantity == 0.0:
        position.exit_reason = 0
    return orders, quantity
