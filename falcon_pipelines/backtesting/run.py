"""One backtest: a spec over a panel, from signals to trades, equity, statistics and benchmark."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.accounting import (
    AccountHistory,
    OpenTrade,
    Trade,
    account_history,
    closed_trades,
    forward_filled,
    match_trades,
    open_trades,
)
from falcon_pipelines.backtesting.book import DELISTED, MARGIN_CALL, as_read
from falcon_pipelines.backtesting.kernel import ORDER, BarArrays, SignalArrays, simulate
from falcon_pipelines.backtesting.parameters import FillParameters, fill_parameters
from falcon_pipelines.backtesting.statistics import Statistics, bar_returns, bars_per_year, statistics
from falcon_pipelines.bars.panel import FIELDS, Panel
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.strategies.signals import Signals
    from falcon_pipelines.strategies.spec import Spec


class NoBars(InputError):
    """No bars to test on."""


@dataclass(frozen=True)
class Benchmark:
    """Buy-and-hold of the same tickers: equal weights in whole shares, bought at each one's first open after
    the first bar, at the strategy's costs, never sold. `equity` is (T,) dollars at the closes."""

    equity: NDArray[np.float64]
    stats: Statistics
    orders: NDArray[np.void]

    @property
    def final_equity(self) -> float:
        """Dollars at the last close."""
        return float(self.equity[-1])


@dataclass(frozen=True)
class BacktestResult:
    """Everything one backtest found. Money is in dollars.

    `orders` has dtype `book.ORDER`; `matched` and `held`, of dtype `tallies.TRADE`, are the trades that
    `trades` and `open_trades` give by name and time.
    """

    panel: Panel
    parameters: FillParameters
    initial_cash: float
    orders: NDArray[np.void]
    account: AccountHistory
    matched: NDArray[np.void]
    held: NDArray[np.void]
    stats: Statistics
    warnings: tuple[str, ...]

    @cached_property
    def benchmark(self) -> Benchmark:
        """Buy-and-hold of the panel's tickers at the strategy's costs."""
        costs = self.parameters.fee_bps, self.parameters.slippage_bps
        return buy_and_hold(self.panel, self.initial_cash, *costs)

    @cached_property
    def trades(self) -> tuple[Trade, ...]:
        """Closed trades in the order of their exits."""
        return closed_trades(self.matched, self.panel.tickers, self.panel.timestamps)

    @cached_property
    def open_trades(self) -> tuple[OpenTrade, ...]:
        """What is held after the last bar, by ticker."""
        last_close = forward_filled(self.panel["close"])[-1]
        return open_trades(self.held, self.panel.tickers, self.panel.timestamps, last_close)

    @property
    def equity(self) -> NDArray[np.float64]:
        """Dollars at each close, (T,)."""
        return self.account.equity

    @property
    def final_equity(self) -> float:
        """Dollars at the last close, open positions valued there."""
        return float(self.account.equity[-1])

    @property
    def excess(self) -> NDArray[np.float64]:
        """Bar returns minus those of buy-and-hold, both after costs, (T,)."""
        return bar_returns(self.equity, self.initial_cash) - bar_returns(
            self.benchmark.equity, self.initial_cash
        )

    @property
    def annual_excess(self) -> float:
        """Mean of `excess` times bars a year, a fraction."""
        return float(self.excess.mean()) * bars_per_year(self.panel.timestamps)

    @property
    def closed_positions(self) -> int:
        """Positions with at least one exit; the parts of one position count once."""
        return len(np.unique(self.matched["position"]))


@dataclass(frozen=True)
class Fills:
    """What the kernel did: its fills (dtype `kernel.ORDER`) and the entries it could not make in full.

    `closes` is each ticker's last close at each bar, (T, N).
    """

    orders: NDArray[np.void]
    closes: NDArray[np.float64]
    cut: int
    dropped: int
    void: int


def bar_arrays(panel: Panel) -> BarArrays:
    """The panel's bars as the kernel takes them."""
    arrays = {name: np.ascontiguousarray(panel[name], dtype=np.float64) for name in FIELDS}
    filled = forward_filled(arrays["close"])
    # Nothing to fill gives the same array back.
    return BarArrays(**arrays, filled=filled, gapless=filled is arrays["close"])


def signal_arrays(signals: "Signals") -> SignalArrays:
    """Signals as the kernel takes them."""
    return SignalArrays(*(as_read(getattr(signals, name)) for name in SignalArrays._fields))


def simulate_fills(panel: Panel, signals: "Signals", parameters: FillParameters, cash: float) -> Fills:
    """Run the kernel over a panel of (T, N) bars and signals of the same shape."""
    bars = bar_arrays(panel)
    orders, accounts = simulate(bars, signal_arrays(signals), parameters.packed(), float(cash))
    account = accounts[0]
    return Fills(orders, bars.filled, int(account["cut"]), int(account["dropped"]), int(account["void"]))


def buy_and_hold(panel: Panel, cash: float, fee_bps: float, slippage_bps: float) -> Benchmark:
    """The benchmark of `Benchmark` over the panel's tickers."""
    opens = panel["open"]
    rows = _first_opens(opens)
    columns = np.flatnonzero(rows)
    rows = rows[columns]
    prices = opens[rows, columns] * (1 + slippage_bps / 10_000)
    shares = np.floor(cash / opens.shape[1] / (prices * (1 + fee_bps / 10_000)))
    orders = np.zeros(len(columns), dtype=ORDER)
    orders["bar"], orders["column"], orders["size"], orders["price"] = rows, columns, shares, prices
    orders["fee"] = shares * prices * fee_bps / 10_000
    orders = orders[shares > 0]
    orders = orders[np.argsort(orders["bar"], kind="stable")]
    account = account_history(orders, forward_filled(panel["close"]), cash)
    closed, _ = match_trades(orders, len(panel.tickers))
    return Benchmark(account.equity, statistics(panel.timestamps, account, orders, closed, cash), orders)


def _first_opens(opens: NDArray[np.float64]) -> NDArray[np.int64]:
    """Row of each ticker's first open after the first bar, 0 without one. (T, N) to (N,)."""
    rows = np.zeros(opens.shape[1], dtype=np.int64)
    missing = np.arange(opens.shape[1])
    for row in range(1, len(opens)):
        absent = np.isnan(opens[row, missing])
        rows[missing[~absent]] = row
        missing = missing[absent]
        if not len(missing):
            break
    return rows


def run_backtest(
    spec: "Spec",
    panel: Panel,
    *,
    cash: float = 100_000.0,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    signals: "Signals | None" = None,
) -> BacktestResult:
    """Backtest a spec without open parameters over a panel, in one account of `cash` dollars.

    Costs are in basis points per side and default to the spec's; `signals`, of the panel's shape, are computed
    from the spec when not given. Raises NoBars for a panel without bars and CannotRun for a spec whose
    exits or sizes lack what they refer to.
    """
    if len(panel) == 0 or not panel.tickers:
        raise NoBars("there are no bars to test on; check the tickers and the dates")
    if signals is None:
        from falcon_pipelines.strategies.signals import compute_signals

        signals = compute_signals(spec, panel)
    parameters = fill_parameters(spec, fee_bps=fee_bps, slippage_bps=slippage_bps)
    return assemble(
        panel, simulate_fills(panel, signals, parameters, cash), parameters, cash, signals.warm_up
    )


def assemble(
    panel: Panel, fills: Fills, parameters: FillParameters, cash: float, warm_up: int = 0
) -> BacktestResult:
    """The result that follows from fills over a panel."""
    account = account_history(fills.orders, fills.closes, cash)
    matched, held = match_trades(fills.orders, len(panel.tickers))
    return BacktestResult(
        panel=panel,
        parameters=parameters,
        initial_cash=cash,
        orders=fills.orders,
        account=account,
        matched=matched,
        held=held,
        stats=statistics(panel.timestamps, account, fills.orders, matched, cash),
        warnings=tuple(_warnings(panel, fills, matched, account, warm_up)),
    )


def _warnings(
    panel: Panel, fills: Fills, matched: NDArray[np.void], account: AccountHistory, warm_up: int
) -> list[str]:
    warnings = [
        f"{panel.tickers[trade['column']]}: its bars end on {str(panel.timestamps[trade['exit_bar']])[:10]} "
        f"while others go on; {trade['quantity']:.0f} shares were closed at the last close"
        for trade in matched[matched["reason"] == DELISTED]
    ]
    ambiguous = int(matched["ambiguous"].sum())
    if ambiguous:
        warnings.append(f"{ambiguous} exits had stop and target in one bar; the stop was taken")
    if fills.cut:
        warnings.append(f"{fills.cut} entries were cut to the cash at hand")
    if fills.dropped:
        warnings.append(f"{fills.dropped} entries were dropped for want of cash or of a free position")
    if fills.void:
        warnings.append(
            f"{fills.void} entries were void: their stop was unknown or already passed at the open"
        )
    if np.any(matched["reason"] == MARGIN_CALL):
        warnings.append("short positions were bought in: cash had fallen below 130 % of their value")
    if account.equity.min() <= 0:
        warnings.append("the account was ruined: its equity fell to zero or below")
    if warm_up >= len(panel):
        warnings.append(f"the {len(panel)} bars are fewer than the {warm_up} the indicators need to warm up")
    return warnings
