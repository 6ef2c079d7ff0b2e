"""Bookkeeping over the fills of one account: its curve, its trades, its figures. Compiled code."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from falcon_pipelines.backtesting.book import ENTRY

TRADE = np.dtype(
    [
        ("column", np.int64),
        ("position", np.int64),
        ("direction", np.int64),
        ("quantity", np.float64),
        ("entry_bar", np.int64),
        ("entry_price", np.float64),
        ("exit_bar", np.int64),
        ("exit_price", np.float64),
        ("reason", np.int64),
        ("ambiguous", np.bool_),
        ("fees", np.float64),
        ("pnl", np.float64),
    ]
)
"""Shares closed by one fill, at average cost; `reason` is -1 and the exit empty for shares still held."""


@njit
def _change_holding(quantity: Any, held: Any, count: int, order: Any) -> int:
    """Add a fill to `quantity` (N,) and keep `held[:count]`, the columns held; returns their new number."""
    was = quantity[order.column]
    quantity[order.column] = was + order.size
    if was == 0.0:
        held[count] = order.column
        return count + 1
    if quantity[order.column] != 0.0:
        return count
    for k in range(count):
        if held[k] == order.column:
            held[k] = held[count - 1]
            break
    return count - 1


@njit
def _value(quantity: Any, held: Any, filled: Any, bar: int, until: int, cash: float, curve: Any) -> None:
    """Cash and the worth of the columns `held` at the closes from `bar` to before `until`, into `curve`.

    Four bars at a time, as a sum over columns waits for each addition; the sums themselves stay in order.
    """
    if len(held) == 1 and filled.shape[1] == 1:
        closes, size = filled.ravel(), quantity[0]
        for t in range(until - bar):
            curve[t] = cash + size * closes[bar + t]
        return
    count = len(held)
    in_order = True
    for k in range(count):
        in_order = in_order and held[k] == k
    t = bar
    while t < until:
        a, b = filled[t], filled[min(t + 1, until - 1)]
        c, d = filled[min(t + 2, until - 1)], filled[min(t + 3, until - 1)]
        first, second, third, fourth = cash, cash, cash, cash
        for k in range(count):
            column = k if in_order else held[k]
            size = quantity[column]
            first += size * a[column]
            second += size * b[column]
            third += size * c[column]
            fourth += size * d[column]
        curve[t - bar] = first
        if t + 1 < until:
            curve[t - bar + 1] = second
        if t + 2 < until:
            curve[t - bar + 2] = third
        if t + 3 < until:
            curve[t - bar + 3] = fourth
        t += 4


def curve_entry_point(sources: str) -> Callable[..., Any]:
    def walk_account(orders: NDArray[np.void], filled: NDArray[np.float64], cash: float) -> Any:
        """Cash, equity, gross position value after each of T bars, and whether anything was held during it.

        `filled` is (T, N) last closes. Four (T,) arrays.
        """
        len(sources)
        rows, columns = filled.shape
        quantity, gross_quantity = np.zeros(columns), np.zeros(columns)
        held = np.empty(columns, np.int64)
        count = 0
        shorts = False
        cashes, equities, gross = np.full(rows, cash), np.full(rows, cash), np.zeros(rows)
        active = np.zeros(rows, np.bool_)
        i = 0
        bar = 0
        while i < len(orders):
            bar = orders[i].bar
            while i < len(orders) and orders[i].bar == bar:
                order = orders[i]
                cash -= order.size * order.price + order.fee
                count = _change_holding(quantity, held, count, order)
                gross_quantity[order.column] = abs(quantity[order.column])
                shorts = shorts or quantity[order.column] < 0.0
                i += 1
            until = orders[i].bar if i < len(orders) else rows
            cashes[bar:until] = cash
            equities[bar:until] = cash
            active[bar] = True
            if count > 0:
                active[bar:until] = True
                _value(quantity, held[:count], filled, bar, until, cash, equities[bar:until])
                if shorts:
                    _value(gross_quantity, held[:count], filled, bar, until, 0.0, gross[bar:until])
                else:
                    gross[bar:until] = equities[bar:until] - cash
        return cashes, equities, gross, active

    return walk_account


def trades_entry_point(sources: str) -> Callable[..., Any]:
    def match_trades(orders: NDArray[np.void], columns: int) -> Any:
        """Closed trades in the order of their exits, and what is still held, both of dtype TRADE."""
        len(sources)
        quantity, price, fees = np.zeros(columns), np.zeros(columns), np.zeros(columns)
        entry_bar, number = np.zeros(columns, np.int64), np.zeros(columns, np.int64)
        closed = np.empty(len(orders), TRADE)
        count = 0
        positions = 0
        for i in range(len(orders)):
            order = orders[i]
            j = order.column
            size = abs(order.size)
            if order.reason == ENTRY:
                if quantity[j] == 0.0:
                    positions += 1
                    number[j] = positions
                    entry_bar[j] = order.bar
                    price[j] = 0.0
                    fees[j] = 0.0
                before = abs(quantity[j])
                price[j] = (before * price[j] + size * order.price) / (before + size)
                quantity[j] += order.size
                fees[j] += order.fee
                continue
            direction = 1 if quantity[j] > 0 else -1
            share = fees[j] * size / abs(quantity[j])
            trade = closed[count]
            trade.column = j
            trade.position = number[j]
            trade.direction = direction
            trade.quantity = size
            trade.entry_bar = entry_bar[j]
            trade.entry_price = price[j]
            trade.exit_bar = order.bar
            trade.exit_price = order.price
            trade.reason = order.reason
            trade.ambiguous = order.ambiguous
            trade.fees = share + order.fee
            trade.pnl = direction * size * (order.price - price[j]) - trade.fees
            fees[j] -= share
            quantity[j] += order.size
            count += 1
        held = np.zeros(columns, TRADE)
        open_count = 0
        for j in range(columns):
            if quantity[j] != 0.0:
                trade = held[open_count]
                trade.column = j
                trade.position = number[j]
                trade.direction = 1 if quantity[j] > 0 else -1
                trade.quantity = abs(quantity[j])
                trade.entry_bar = entry_bar[j]
                trade.entry_price = price[j]
                trade.reason = -1
                trade.fees = fees[j]
                open_count += 1
        return closed[:count].copy(), held[:open_count].copy()

    return match_trades


@njit(error_model="numpy")
def _changes(curve: Any, length: int, before: float, changes: Any) -> None:
    """Simple returns of the first `length` values of an equity curve that stood at `before`.

    The error model lets the compiler divide by vectors; a change from nothing is set right by the caller.
    """
    changes[0] = curve[0] / before - 1.0
    for t in range(1, length):
        changes[t] = curve[t] / curve[t - 1] - 1.0


@njit
def boil_down(
    orders: Any, filled: Any, first: int, last: int, cash: float, returns: Any, figures: Any
) -> None:
    """Walk one account's equity over the rows from `first` to before `last`.

    Writes the figures (`batch.FIGURES`), and bar returns where there is room for them. Holdings stay the same
    from one bar with fills to the next, so the curve is made in such stretches.
    """
    rows = last - first
    columns = filled.shape[1]
    curve, changes = np.empty(rows), np.empty(rows)
    quantity = np.zeros(columns)
    held = np.empty(columns, np.int64)
    count = 0
    equity = cash
    peak = cash
    lowest = np.inf
    total = 0.0
    squares = 0.0
    deepest = 0.0
    closed = 0
    i = 0
    bar = first
    keep = len(returns) > 0
    while bar < last:
        if count == 0:
            if i == len(orders):
                break
            bar = orders[i].bar
        while i < len(orders) and orders[i].bar == bar:
            order = orders[i]
            cash -= order.size * order.price + order.fee
            count = _change_holding(quantity, held, count, order)
            if order.reason != ENTRY:
                closed += 1
            i += 1
        until = bar + 1
        if count > 0:
            until = orders[i].bar if i < len(orders) else last
        length = until - bar
        _value(quantity, held[:count], filled, bar, until, cash, curve)
        _changes(curve, length, equity, changes)
        for t in range(length):
            change = changes[t] if equity > 0.0 else 0.0
            equity = curve[t]
            total += change
            squares += change * change
            if equity > peak:
                if lowest < peak:
                    deepest = min(deepest, lowest / peak - 1.0)
                peak = equity
                lowest = np.inf
            elif equity < lowest:
                lowest = equity
            if keep:
                returns[bar - first + t] = change
        bar = until
    if lowest < peak:
        deepest = min(deepest, lowest / peak - 1.0)
    mean = total / rows
    figures[0] = equity
    figures[1] = mean
    figures[2] = np.sqrt(max(0.0, (squares - rows * mean * mean) / (rows - 1))) if rows > 1 else 0.0
    figures[3] = deepest
    figures[4] = closed
