"""The fills of a backtest replayed through vectorbt, for its statistics and plots.

vectorbt is imported here only, and only when asked for: it costs seconds and 300 MB.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.accounting import forward_filled
from falcon_pipelines.backtesting.run import BacktestResult


def _slots(orders: NDArray[np.void], bars: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row of each fill when every bar has as many rows as its fills need, and the last row of each bar.

    vectorbt takes one order for each row and column and works through a row from left to right, so a fill
    moves to the next row where its column does not lie to the right of the fill before.
    """
    slot = np.zeros(len(orders), dtype=np.int64)
    needed = np.ones(bars, dtype=np.int64)
    for i in range(len(orders)):
        bar = orders["bar"][i]
        if i and orders["bar"][i - 1] == bar:
            slot[i] = slot[i - 1] + (orders["column"][i] <= orders["column"][i - 1])
        needed[bar] = slot[i] + 1
    last_row = np.cumsum(needed) - 1
    return last_row[orders["bar"]] - needed[orders["bar"]] + 1 + slot, last_row


def replay(result: BacktestResult) -> tuple[Any, NDArray[np.int64]]:
    """A vectorbt Portfolio (one group sharing cash) of a result's fills, and the (T,) rows that end each bar.

    The portfolio has more rows than the panel where a ticker traded more than once in a bar; its value at the
    rows returned is the equity at the closes.
    """
    import pandas as pd
    import vectorbt as vbt

    panel, orders = result.panel, result.orders
    rows, last_row = _slots(orders, len(panel))
    bar_of_row = np.searchsorted(last_row, np.arange(last_row[-1] + 1))
    inside = np.arange(last_row[-1] + 1) - np.concatenate([[0], last_row[:-1] + 1])[bar_of_row]
    shape = (len(bar_of_row), len(panel.tickers))
    size, price = np.zeros(shape), np.full(shape, np.nan)
    size[rows, orders["column"]] = orders["size"]
    price[rows, orders["column"]] = orders["price"]
    close = forward_filled(panel["close"])[bar_of_row]
    index = pd.DatetimeIndex(panel.timestamps[bar_of_row] + inside.astype("timedelta64[us]"), tz="UTC")
    portfolio = vbt.Portfolio.from_orders(
        pd.DataFrame(close, index=index, columns=list(panel.tickers)),
        size=size,
        price=np.where(size == 0, close, price),
        fees=result.parameters.fee_bps / 10_000,
        init_cash=result.initial_cash,
        cash_sharing=True,
        group_by=True,
        call_seq="default",
        freq="1D" if panel.frequency == "day" else "1min",
    )
    return portfolio, last_row


def replayed_equity(result: BacktestResult) -> float:
    """Dollars at the last close as vectorbt accounts for the fills: an independent check of ours."""
    portfolio, last_row = replay(result)
    return float(portfolio.value().iloc[last_row[-1]])
