"""From fills to trades and to the equity curve, in plain NumPy. Knows nothing of signals."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.kernel import ENTRY, REASONS

Side = Literal["long", "short"]


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


@dataclass
class _Holding:
    number: int = 0
    quantity: float = 0.0
    entry_bar: int = 0
    entry_price: float = 0.0
    entry_fees: float = 0.0


def pair_trades(
    orders: NDArray[np.void],
    tickers: tuple[str, ...],
    timestamps: NDArray[np.datetime64],
    close: NDArray[np.float64],
) -> tuple[tuple[Trade, ...], tuple[OpenTrade, ...]]:
    """Closed and open trades of fills (dtype `kernel.ORDER`) over (T, N) closes, at average cost."""
    holdings = [_Holding() for _ in tickers]
    trades: list[Trade] = []
    positions = 0
    for bar, column, size, price, fee, reason, ambiguous in orders.tolist():
        held = holdings[column]
        if reason == ENTRY:
            if held.quantity == 0:
                positions += 1
                held = holdings[column] = _Holding(number=positions, entry_bar=bar)
            total = abs(held.quantity) + abs(size)
            held.entry_price = (abs(held.quantity) * held.entry_price + abs(size) * price) / total
            held.quantity += size
            held.entry_fees += fee
            continue
        direction = 1 if held.quantity > 0 else -1
        quantity = abs(size)
        entry_fee = held.entry_fees * quantity / abs(held.quantity)
        trades.append(
            Trade(
                ticker=tickers[column],
                side="long" if direction > 0 else "short",
                quantity=round(quantity),
                entry_time=timestamps[held.entry_bar],
                entry_price=held.entry_price,
                exit_time=timestamps[bar],
                exit_price=price,
                exit_reason=REASONS[reason],
                pnl=direction * quantity * (price - held.entry_price) - entry_fee - fee,
                ambiguous=ambiguous,
                position=held.number,
                fees=entry_fee + fee,
                bars_held=bar - held.entry_bar,
            )
        )
        held.entry_fees -= entry_fee
        held.quantity += size
    still_open = []
    for column, held in enumerate(holdings):
        if held.quantity != 0:
            prices = close[:, column]
            last = float(prices[~np.isnan(prices)][-1])
            still_open.append(
                OpenTrade(
                    ticker=tickers[column],
                    side="long" if held.quantity > 0 else "short",
                    quantity=round(abs(held.quantity)),
                    entry_time=timestamps[held.entry_bar],
                    entry_price=held.entry_price,
                    last_price=last,
                    pnl=held.quantity * (last - held.entry_price) - held.entry_fees,
                    position=held.number,
                )
            )
    return tuple(trades), tuple(still_open)


def forward_filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each column with NaN replaced by its last number before; leading NaN stay. (T, N) to (T, N)."""
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
    orders: NDArray[np.void], close: NDArray[np.float64], initial_cash: float
) -> AccountHistory:
    """Cash and equity of an account at each close, from its fills (dtype `kernel.ORDER`) and (T, N) closes."""
    bars, columns = close.shape
    flows = np.zeros(bars)
    np.add.at(flows, orders["bar"], -(orders["size"] * orders["price"] + orders["fee"]))
    cash = initial_cash + np.cumsum(flows)
    quantity = np.zeros((bars, columns))
    np.add.at(quantity, (orders["bar"], orders["column"]), orders["size"])
    quantity = np.cumsum(quantity, axis=0)
    value = quantity * np.nan_to_num(forward_filled(close))
    held = np.any(quantity != 0, axis=1)
    held[orders["bar"]] = True
    return AccountHistory(
        cash=cash, equity=cash + value.sum(axis=1), gross=np.abs(value).sum(axis=1), held=held
    )
