"""What the evidence of a backtest allows to be said, from inputs that are all shown with threshold and source."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.backtesting.statistics import bar_returns, bars_per_year

VerdictName = Literal[
    "works", "promising", "no better than buy-and-hold", "does not work", "insufficient evidence"
]
MINIMUM_TRADES = 30


@dataclass(frozen=True)
class VerdictInput:
    """One number a verdict rests on: its interval where it has one, what it must reach, and who says so."""

    name: str
    value: float
    low: float | None
    high: float | None
    threshold: float
    passed: bool
    source: str


@dataclass(frozen=True)
class Verdict:
    """The verdict, one plain sentence why, its inputs, and how many trials the numbers were corrected for."""

    verdict: VerdictName
    reason: str
    inputs: tuple[VerdictInput, ...]
    trials: int


def bootstrap_mean(
    values: NDArray[np.float64], *, seed: int = 0, repetitions: int = 2_000, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean of dependent values (T,): stationary bootstrap with the automatic block length.

    Politis and Romano (1994); block length by Politis and White (2004), corrected by Patton et al. (2009).
    """
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    if float(np.std(values)) < 1e-15:
        return float(values.mean()), float(values.mean())
    block = max(1.0, float(optimal_block_length(values)["stationary"].iloc[0]))
    bootstrap = StationaryBootstrap(block, values, seed=seed)
    low, high = bootstrap.conf_int(np.mean, repetitions, method="percentile", size=confidence)[:, 0]
    return float(low), float(high)


def excess_over_benchmark(result: BacktestResult) -> NDArray[np.float64]:
    """Bar returns of the strategy minus those of buy-and-hold, both after costs. (T,)"""
    return bar_returns(result.equity, result.initial_cash) - bar_returns(
        result.benchmark.equity, result.initial_cash
    )


def closed_positions(result: BacktestResult) -> int:
    """Positions with at least one exit; parts of one position are one trade here."""
    return len({trade.position for trade in result.trades})


def judge(result: BacktestResult, *, trials: int = 1, seed: int = 0) -> Verdict:
    """The verdict on one backtest from its own bars: enough trades, and excess over buy-and-hold."""
    positions = closed_positions(result)
    excess = excess_over_benchmark(result)
    per_year = bars_per_year(result.panel.timestamps)
    low, high = (bound * per_year for bound in bootstrap_mean(excess, seed=seed))
    mean = float(excess.mean()) * per_year
    inputs = (
        VerdictInput(
            "closed trades", positions, None, None, MINIMUM_TRADES, positions >= MINIMUM_TRADES,
            "rule of thumb for a mean: at least 30 observations",
        ),
        VerdictInput(
            "excess over buy-and-hold a year", mean, low, high, 0.0, low > 0,
            "Politis and Romano (1994), stationary bootstrap, 95 %",
        ),
    )  # fmt: skip
    name: VerdictName
    if positions < MINIMUM_TRADES:
        name = "insufficient evidence"
        reason = f"Only {positions} closed trades; fewer than {MINIMUM_TRADES} cannot tell skill from luck."
    elif high < 0:
        name = "does not work"
        reason = f"It earned {-mean:.1%} a year less than buy-and-hold after costs, beyond chance."
    elif low <= 0:
        name = "no better than buy-and-hold"
        reason = f"Its excess over buy-and-hold of {mean:.1%} a year lies between {low:.1%} and {high:.1%}."
    else:
        name = "promising"
        reason = (
            f"It earned {mean:.1%} a year more than buy-and-hold after costs, beyond chance on these bars."
        )
    return Verdict(name, reason, inputs, trials)
