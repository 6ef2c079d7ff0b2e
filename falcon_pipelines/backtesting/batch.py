"""Many accounts in one compiled call: the kernel run over a batch of signals, and each run boiled down to a few
figures. What a sweep is made of; a single backtest keeps everything instead."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.kernel import (
    BarArrays,
    SignalArrays,
    compiled,
    simulate_account,
)
from falcon_pipelines.backtesting.tallies import boil_down

FIGURES = ("final_equity", "mean_return", "deviation", "max_drawdown", "closed_trades")
"""Columns of what `evaluate` returns: mean and standard deviation (ddof 1) are of simple bar returns."""


def _entry_point(sources: str) -> Callable[..., Any]:
    def evaluate(
        bars: BarArrays,
        stacks: SignalArrays,
        which: NDArray[np.int64],
        parameters: NDArray[np.void],
        first: int,
        last: int,
        cash: float,
        returns: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Figures (K, 5) of K accounts over the rows from `first` to before `last` of the same (T, N) bars.

        `stacks` holds the distinct signal arrays, each field (M, T, N); row k of `which` (K, 9) says which of
        them account k acts on; `parameters` is (K,) of dtype PARAMETERS. `returns` (K, last - first) is filled with
        bar returns and must come as zeros; (0, 0) leaves them out.
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
            orders, _ = simulate_account(bars, signals, parameters[k], first, last, cash)
            boil_down(
                orders,
                bars.filled,
                first,
                last,
                cash,
                returns[k] if len(returns) > 0 else nothing,
                figures[k],
            )
        return figures

    return evaluate


evaluate = compiled(_entry_point)
