"""One backtest: a spec over a panel, from signals to trades, equity, statistics and benchmark."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.accounting import (
    AccountHistory,
    OpenTrade,
    Trade,
    account_history,
    forward_filled,
    pair_trades,
)
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
    """Everything one backtest found. `orders` has dtype `kernel.ORDER`; money is in dollars."""

    panel: Panel
    parameters: FillParameters
    initial_cash: float
    orders: NDArray[np.void]
    account: AccountHistory
    trades: tuple[Trade, ...]
    open_trades: tuple[OpenTrade, ...]
    stats: Statistics
    benchmark: Benchmark
    warnings: tuple[str, ...]

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
        return len({trade.position for trade in self.trades})


@dataclass(frozen=True)
class Fills:
    """What the kernel did: its fills (dtype `kernel.ORDER`) and the entries it could not make in full."""

    orders: NDArray[np.void]
    cut: int
    dropped: int
    void: int


def bar_arrays(panel: Panel) -> BarArrays:
    """The panel's bars as the kernel takes them."""
    arrays = {name: np.ascontiguousarray(panel[name], dtype=np.float64) for name in FIELDS}
    return BarArrays(**arrays, filled=forward_filled(panel["close"]))


def signal_arrays(signals: "Signals") -> SignalArrays:
    """Signals as the kernel takes them."""
    return SignalArrays(*(np.ascontiguousarray(getattr(signals, name)) for name in SignalArrays._fields))


def simulate_fills(panel: Panel, signals: "Signals", parameters: FillParameters, cash: float) -> Fills:
    """Run the kernel over a panel of (T, N) bars and signals of the same shape."""
    orders, accounts = simulate(bar_arrays(panel), signal_arrays(signals), parameters.packed(), float(cash))
    account = accounts[0]
    return Fills(orders, int(account["cut"]), int(account["dropped"]), int(account["void"]))


def buy_and_hold(panel: Panel, cash: float, fee_bps: float, slippage_bps: float) -> Benchmark:
    """The benchmark of `Benchmark` over the panel's tickers."""
    opens = panel["open"]
    columns = opens.shape[1]
    orders = []
    for column in range(columns):
        tradable = np.flatnonzero(~np.isnan(opens[1:, column])) + 1
        if not len(tradable):
            continue
        bar = int(tradable[0])
        price = opens[bar, column] * (1 + slippage_bps / 10_000)
        shares = np.floor(cash / columns / (price * (1 + fee_bps / 10_000)))
        if shares > 0:
            orders.append((bar, column, shares, price, shares * price * fee_bps / 10_000, 0, False))
    records = np.array(sorted(orders), dtype=ORDER)
    account = account_history(records, panel["close"], cash)
    return Benchmark(account.equity, statistics(panel.timestamps, account, records, (), cash), records)


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
    trades, open_trades = pair_trades(fills.orders, panel.tickers, panel.timestamps, panel["close"])
    account = account_history(fills.orders, panel["close"], cash)
    return BacktestResult(
        panel=panel,
        parameters=parameters,
        initial_cash=cash,
        orders=fills.orders,
        account=account,
        trades=trades,
        open_trades=open_trades,
        stats=statistics(panel.timestamps, account, fills.orders, trades, cash),
        benchmark=buy_and_hold(panel, cash, parameters.fee_bps, parameters.slippage_bps),
        warnings=tuple(_warnings(panel, fills, trades, account, warm_up)),
    )


def _warnings(
    panel: Panel, fills: Fills, trades: tuple[Trade, ...], account: AccountHistory, warm_up: int
) -> list[str]:
    warnings = [
        f"{trade.ticker}: its bars end on {str(trade.exit_time)[:10]} while others go on; "
        f"{trade.quantity} shares were closed at the last close"
        for trade in trades
        if trade.exit_reason == "delisted"
    ]
    ambiguous = sum(trade.ambiguous for trade in trades)
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
    if any(trade.exit_reason == "margin_call" for trade in trades):
        warnings.append("short positions were bought in: cash had fallen below 130 % of their value")
    if account.equity.min() <= 0:
        warnings.append("the account was ruined: its equity fell to zero or below")
    if warm_up >= len(panel):
        warnings.append(f"the {len(panel)} bars are fewer than the {warm_up} the indicators need to warm up")
    return warnings
