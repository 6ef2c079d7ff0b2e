"""Many accounts in one compiled call: the kernel run over a batch of signals, and each run boiled down to a few
figures. What a sweep is made of; a single backtest keeps everything instead."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from falcon_pipelines.backtesting.kernel import (
    ENTRY,
    BarArrays,
    SignalArrays,
    compiled,
    simulate_account,
)

FIGURES = ("final_equity", "mean_return", "deviation", "max_drawdown", "closed_trades")
"""Columns of what `evaluate` returns: mean and standard deviation (ddof 1) are of simple bar returns."""


@njit
def boil_down(orders: Any, filled: Any, cash: float, returns: Any, figures: Any) -> None:
    """Walk one account's equity from its fills; writes FIGURES, and bar returns where there is room for them."""
    rows, columns = filled.shape
    quantity = np.zeros(columns)
    held = np.empty(columns, np.int64)
    count = 0
    equity = cash
    peak = cash
    total = 0.0
    squares = 0.0
    deepest = 0.0
    closed = 0
    i = 0
    bar = 0
    keep = len(returns) > 0
    while bar < rows:
        if count == 0:
            if i == len(orders):
                break
            bar = orders[i].bar
        before = equity
        while i < len(orders) and orders[i].bar == bar:
            order = orders[i]
            cash -= order.size * order.price + order.fee
            was = quantity[order.column]
            quantity[order.column] = was + order.size
            if order.reason != ENTRY:
                closed += 1
            if was == 0.0:
                held[count] = order.column
                count += 1
            elif quantity[order.column] == 0.0:
                for k in range(count):
                    if held[k] == order.column:
                        held[k] = held[count - 1]
                        break
                count -= 1
            i += 1
        equity = cash
        for k in range(count):
            equity += quantity[held[k]] * filled[bar, held[k]]
        change = equity / before - 1.0 if before > 0.0 else 0.0
        total += change
        squares += change * change
        if keep:
            returns[bar] = change
        if equity > peak:
            peak = equity
        elif equity / peak - 1.0 < deepest:
            deepest = equity / peak - 1.0
        bar += 1
    mean = total / rows
    figures[0] = equity
    figures[1] = mean
    figures[2] = np.sqrt(max(0.0, (squares - rows * mean * mean) / (rows - 1))) if rows > 1 else 0.0
    figures[3] = deepest
    figures[4] = closed


def _entry_point(sources: str) -> Callable[..., Any]:
    def evaluate(
        bars: BarArrays,
        stacks: SignalArrays,
        which: NDArray[np.int64],
        parameters: NDArray[np.void],
        cash: float,
        returns: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Figures (K, 5) of K accounts over the same (T, N) bars.

        `stacks` holds the distinct signal arrays, each field (M, T, N); row k of `which` (K, 9) says which of
        them account k acts on; `parameters` is (K,) of dtype PARAMETERS. `returns` (K, T) is filled with bar
        returns and must come as zeros; (0, 0) leaves them out.
        """
        len(sources)
        figures = np.zeros((len(which), 5))
        nothing = np.empty(0)
        for k in range(len(which)):
            w = which[k]
            signals = SignalArrays(
                stacks.entry_long[w[0]],
                stacks.exit_long[w[1]],
                stacks.entry_short[w[2]],
                stacks.exit_short[w[3]],
                stacks.stop_distance[w[4]],
                stacks.stop_level_long[w[5]],
                stacks.stop_level_short[w[6]],
                stacks.rank[w[7]],
                stacks.volatility[w[8]],
            )
            orders, _ = simulate_account(bars, signals, parameters[k], cash)
            boil_down(orders, bars.filled, cash, returns[k] if len(returns) > 0 else nothing, figures[k])
        return figures

    return evaluate


evaluate = compiled(_entry_point)
