"""From fills to trades and to the equity curve of an account. Knows nothing of signals."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.kernel import REASONS, compiled
from falcon_pipelines.backtesting.tallies import curve_entry_point, trades_entry_point

Side = Literal["long", "short"]

walk_account = compiled(curve_entry_point)
match_trades = compiled(trades_entry_point)


@dataclass(frozen=True)
class Trade:
    """Shares bought and sold again (or shorted and covered) by one exit fill.

    A position that is closed in parts gives one trade for each part, with the same `position` number.
    `entry_price` is the position's average fill price; `pnl` is in dollars, after the fees of both sides;
    `return_pct` is pnl as a percentage of the entry value. `bars_held` counts panel rows.
    """

    ticker: str
    side: Side
    quantity: int
    entry_time: np.datetime64
    entry_price: float
    exit_time: np.datetime64
    exit_price: float
    exit_reason: str
    pnl: float
    ambiguous: bool
    position: int
    fees: float
    bars_held: int

    @property
    def return_pct(self) -> float:
        """Profit after costs as a percentage of the entry value."""
        return 100.0 * self.pnl / (self.quantity * self.entry_price)


@dataclass(frozen=True)
class OpenTrade:
    """Shares still held after the last bar, valued at the ticker's last close (`last_price`), in dollars."""

    ticker: str
    side: Side
    quantity: int
    entry_time: np.datetime64
    entry_price: float
    last_price: float
    pnl: float
    position: int


def closed_trades(
    matched: NDArray[np.void], tickers: tuple[str, ...], timestamps: NDArray[np.datetime64]
) -> tuple[Trade, ...]:
    """Matched trades (dtype `tallies.TRADE`) by name and time."""
    entered, left = timestamps[matched["entry_bar"]], timestamps[matched["exit_bar"]]
    return tuple(
        Trade(
            ticker=tickers[row[0]],
            side="long" if row[2] > 0 else "short",
            quantity=round(row[3]),
            entry_time=entry_time,
            entry_price=row[5],
            exit_time=exit_time,
            exit_price=row[7],
            exit_reason=REASONS[row[8]],
            pnl=row[11],
            ambiguous=row[9],
            position=row[1],
            fees=row[10],
            bars_held=row[6] - row[4],
        )
        for row, entry_time, exit_time in zip(matched.tolist(), entered, left, strict=True)
    )


def open_trades(
    held: NDArray[np.void],
    tickers: tuple[str, ...],
    timestamps: NDArray[np.datetime64],
    last_close: NDArray[np.float64],
) -> tuple[OpenTrade, ...]:
    """Shares still held (dtype `tallies.TRADE`), valued at each ticker's last close (N,)."""
    return tuple(
        OpenTrade(
            ticker=tickers[row["column"]],
            side="long" if row["direction"] > 0 else "short",
            quantity=round(float(row["quantity"])),
            entry_time=timestamps[row["entry_bar"]],
            entry_price=float(row["entry_price"]),
            last_price=float(last_close[row["column"]]),
            pnl=float(
                row["direction"] * row["quantity"] * (last_close[row["column"]] - row["entry_price"])
                - row["fees"]
            ),
            position=int(row["position"]),
        )
        for row in held
    )


def has_nan(values: NDArray[np.float64]) -> bool:
    """Whether a value is NaN: a sum tells most arrays without one at a third of the cost of looking at each."""
    return bool(np.isnan(values.sum())) and bool(np.isnan(values).any())


def forward_filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each column with NaN replaced by its last number before; leading NaN stay. (T, N) to (T, N).

    The very array where it has none and is contiguous.
    """
    if not has_nan(values):
        return np.ascontiguousarray(values)
    rows = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    return np.take_along_axis(values, rows, axis=0)


@dataclass(frozen=True)
class AccountHistory:
    """Dollars after each of T bars: cash, equity at the close, and the gross value of positions held."""

    cash: NDArray[np.float64]
    equity: NDArray[np.float64]
    gross: NDArray[np.float64]
    held: NDArray[np.bool_]
    """Whether any position was held at some time during the bar."""


def account_history(
    orders: NDArray[np.void], filled: NDArray[np.float64], initial_cash: float
) -> AccountHistory:
    """Cash and equity of an account at each close, from its fills (dtype `book.ORDER`) and (T, N) last closes."""
    return AccountHistory(*walk_account(orders, filled, float(initial_cash)))
