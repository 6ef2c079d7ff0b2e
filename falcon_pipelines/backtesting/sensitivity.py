"""What becomes of a result when costs, fills or the market's mood are others than assumed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.parameters import FillParameters
from falcon_pipelines.backtesting.run import BacktestResult, Fills, assemble, simulate_fills
from falcon_pipelines.backtesting.statistics import (
    bar_returns,
    bars_per_year,
    excess_at_equal_risk,
    sharpe_ratio,
)

if TYPE_CHECKING:
    from falcon_pipelines.strategies.signals import Signals

COSTS_BPS = (0.0, 2.0, 5.0, 10.0, 15.0, 20.0)
PESSIMISTIC_SLIPPAGE_BPS = 5.0
TREND_BARS = 200
VOLATILITY_BARS = 20


@dataclass(frozen=True)
class Variant:
    """The same signals under other assumptions; annual mean excess over buy-and-hold at the same costs, in plain
    returns and at buy-and-hold's volatility."""

    name: str
    fee_bps: float
    slippage_bps: float
    total_return: float
    sharpe: float
    excess: float
    equal_risk: float


def _variant(name: str, result: BacktestResult, signals: "Signals", parameters: FillParameters) -> Variant:
    fills: Fills = simulate_fills(result.panel, signals, parameters, result.initial_cash)
    other = assemble(result.panel, fills, parameters, result.initial_cash)
    own = bar_returns(other.equity, other.initial_cash)
    held = bar_returns(other.benchmark.equity, other.initial_cash)
    return Variant(
        name=name,
        fee_bps=parameters.fee_bps,
        slippage_bps=parameters.slippage_bps,
        total_return=other.stats.total_return,
        sharpe=other.stats.sharpe,
        excess=other.annual_excess,
        equal_risk=float(excess_at_equal_risk(own, held).mean()) * bars_per_year(other.panel.timestamps),
    )


def cost_sensitivity(
    result: BacktestResult, signals: "Signals", costs_bps: Sequence[float] = COSTS_BPS
) -> tuple[Variant, ...]:
    """The result at fees of 0 to 20 basis points a side, slippage as it was."""
    return tuple(
        _variant(f"{fee:g} bp", result, signals, replace(result.parameters, fee_bps=fee)) for fee in costs_bps
    )


def fill_sensitivity(result: BacktestResult, signals: "Signals") -> tuple[Variant, Variant]:
    """The result with kind fills and with unkind ones.

    Optimistic: the target first where a bar reaches both, no slippage. Pessimistic: the stop first, and
    PESSIMISTIC_SLIPPAGE_BPS more slippage on every market and stop fill.
    """
    given = result.parameters
    kind = replace(given, target_first=True, slippage_bps=0.0)
    unkind = replace(given, target_first=False, slippage_bps=given.slippage_bps + PESSIMISTIC_SLIPPAGE_BPS)
    return _variant("optimistic", result, signals, kind), _variant("pessimistic", result, signals, unkind)


@dataclass(frozen=True)
class Regime:
    """Bars of one mood of the market, and what strategy and buy-and-hold earned in them (annual mean, Sharpe)."""

    name: str
    bars: int
    strategy_return: float
    benchmark_return: float
    strategy_sharpe: float
    benchmark_sharpe: float


def regimes(result: BacktestResult) -> tuple[Regime, ...]:
    """The result by trend and by volatility of buy-and-hold, each known before the bar begins.

    Rising: buy-and-hold closed above its 200-bar average on the bar before. Calm: its 20-bar volatility was at
    most the median of all its values so far.
    """
    equity = result.benchmark.equity
    strategy = bar_returns(result.equity, result.initial_cash)
    market = bar_returns(equity, result.initial_cash)
    periods = bars_per_year(result.panel.timestamps)
    rising = _shifted(equity > _rolling_mean(equity, TREND_BARS), TREND_BARS)
    spread = np.sqrt(
        np.maximum(_rolling_mean(market**2, VOLATILITY_BARS) - _rolling_mean(market, VOLATILITY_BARS) ** 2, 0)
    )
    calm = _shifted(spread <= _running_median(spread), VOLATILITY_BARS)
    found = []
    moods = {"rising": rising == 1, "falling": rising == 0, "calm": calm == 1, "volatile": calm == 0}
    for name, mask in moods.items():
        if mask.sum() < 2:
            continue
        found.append(
            Regime(
                name=name,
                bars=int(mask.sum()),
                strategy_return=float(strategy[mask].mean() * periods),
                benchmark_return=float(market[mask].mean() * periods),
                strategy_sharpe=sharpe_ratio(strategy[mask], periods),
                benchmark_sharpe=sharpe_ratio(market[mask], periods),
            )
        )
    return tuple(found)


def _rolling_mean(values: NDArray[np.float64], bars: int) -> NDArray[np.float64]:
    total = np.cumsum(np.concatenate([[0.0], values]))
    result = np.full(len(values), np.nan)
    if len(values) >= bars:
        result[bars - 1 :] = (total[bars:] - total[:-bars]) / bars
    return result


def _running_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of all numbers so far, NaN before the first; renewed every 20 values."""
    result = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    for start in range(VOLATILITY_BARS, len(values), VOLATILITY_BARS):
        if len(known) and start > known[0]:
            result[start : start + VOLATILITY_BARS] = np.nanmedian(values[:start])
    return result


def _shifted(mask: NDArray[np.bool_], unknown: int) -> NDArray[np.int8]:
    """1 or 0 as it was known on the bar before; -1 on the first bars, where it was not."""
    result = np.full(len(mask), -1, dtype=np.int8)
    result[unknown:] = mask[unknown - 1 : -1] if len(mask) > unknown else 0
    return result
