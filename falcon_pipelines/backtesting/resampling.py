"""What chance alone would have done: bootstraps of returns, shuffled trades, and entries at random."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.parameters import FillParameters
from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.backtesting.statistics import bars_per_year

if TYPE_CHECKING:
    from falcon_pipelines.strategies.signals import Signals


def bootstrap_mean(
    values: NDArray[np.float64], *, seed: int = 0, repetitions: int = 2_000, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean of dependent values (T,): stationary bootstrap with the automatic block length.

    Politis and Romano (1994); block length by Politis and White (2004), corrected by Patton et al. (2009).
    """
    from arch.bootstrap import StationaryBootstrap

    if len(values) < 10 or float(np.std(values)) < 1e-15:
        return float(values.mean()), float(values.mean())
    bootstrap = StationaryBootstrap(block_length(values), values, seed=seed)
    interval = bootstrap.conf_int(np.mean, repetitions, method="percentile", size=confidence)
    return float(interval[0, 0]), float(interval[1, 0])


def block_length(values: NDArray[np.float64]) -> int:
    """Mean block length of a stationary bootstrap of values (T,), at least 1."""
    from arch.bootstrap import optimal_block_length

    return max(1, round(float(optimal_block_length(values)["stationary"].iloc[0])))


def superior_predictive_ability(
    excess: NDArray[np.float64], *, seed: int = 0, repetitions: int = 500
) -> float:
    """p-value of "no trial has a higher mean than the benchmark".

    `excess` is (K, T) bar returns of K trials over the benchmark. Hansen (2005), "A Test for Superior Predictive
    Ability", the consistent p-value, stationary bootstrap. Trials that never vary are left out; NaN where none is
    left.
    """
    from arch.bootstrap import SPA

    excess = excess[np.std(excess, axis=1) > 1e-15]
    if not len(excess):
        return float("nan")
    block = block_length(excess[int(excess.mean(axis=1).argmax())])
    test = SPA(np.zeros(excess.shape[1]), -excess.T, block_size=block, reps=repetitions, seed=seed)
    test.compute()
    return float(test.pvalues["consistent"])


@dataclass(frozen=True)
class TradeShuffle:
    """Drawdown (negative fractions) and final multiple when the trades had come in another order or another mix.

    Each is the 5th, 50th and 95th percentile. Drawdowns are of shuffled trades, multiples of trades drawn with
    replacement; open-trade swings do not count, so drawdowns are smaller than those of the equity curve.
    """

    max_drawdown: tuple[float, float, float]
    multiple: tuple[float, float, float]
    runs: int


def shuffle_trades(result: BacktestResult, *, seed: int = 0, runs: int = 2_000) -> TradeShuffle | None:
    """Monte Carlo of the trade sequence; None without two closed trades.

    Each trade counts as its profit after costs over the equity at its entry.
    """
    if len(result.trades) < 2:
        return None
    rng = np.random.default_rng(seed)
    rows = np.searchsorted(result.panel.timestamps, [trade.entry_time for trade in result.trades])
    before = np.concatenate([[result.initial_cash], result.equity])[rows]
    factors = 1 + np.array([trade.pnl for trade in result.trades]) / np.maximum(before, 1e-9)
    factors = np.maximum(factors, 0.0)
    falls, multiples = np.empty(runs), np.empty(runs)
    for run in range(runs):
        curve = np.concatenate([[1.0], np.cumprod(rng.permutation(factors))])
        falls[run] = (curve / np.maximum.accumulate(curve)).min() - 1
        multiples[run] = rng.choice(factors, len(factors)).prod()
    low, middle, high = (float(x) for x in np.percentile(falls, [5, 50, 95]))
    poor, typical, rich = (float(x) for x in np.percentile(multiples, [5, 50, 95]))
    return TradeShuffle((low, middle, high), (poor, typical, rich), runs)


@dataclass(frozen=True)
class RandomEntries:
    """Sharpe ratios (annualised) of runs that enter at random times: as many positions, held as long.

    `p_value` is the share of them, the strategy itself included, that did at least as well.
    """

    sharpes: NDArray[np.float64]
    strategy: float
    p_value: float


def random_entries(result: BacktestResult, *, seed: int = 0, runs: int = 500) -> RandomEntries | None:
    """The strategy against random entries with its sides, holding times, sizes and costs; None without trades.

    Holding times are kept and only their place is drawn, so stops and targets play no part. Masters (2010);
    Aronson (2006), "Evidence-Based Technical Analysis".
    """
    from falcon_pipelines.backtesting.sweep import run_many

    holdings = _holdings(result)
    if not holdings:
        return None
    rng = np.random.default_rng(seed)
    plain = FillParameters(
        sizing=result.parameters.sizing if result.parameters.sizing in (0, 3) else 0,
        size=result.parameters.size if result.parameters.sizing in (0, 3) else _typical_size(result),
        max_positions=result.parameters.max_positions,
        fee_bps=result.parameters.fee_bps,
        slippage_bps=result.parameters.slippage_bps,
    ).packed()
    drawn = ((_random_signals(result, holdings, rng), plain) for _ in range(runs))
    figures, _ = run_many(result.panel, drawn, runs, result.initial_cash)
    mean, deviation = figures[0, :, 1], figures[0, :, 2]
    periods = bars_per_year(result.panel.timestamps) ** 0.5
    sharpes = np.where(deviation > 1e-15, mean / np.maximum(deviation, 1e-300), 0.0) * periods
    own = result.stats.sharpe if result.stats.sharpe == result.stats.sharpe else 0.0
    return RandomEntries(sharpes, own, float((np.sum(sharpes >= own) + 1) / (runs + 1)))


def _holdings(result: BacktestResult) -> dict[int, list[tuple[int, int]]]:
    """For each column the (side, bars held) of its positions; bars are the ticker's own."""
    columns = {name: i for i, name in enumerate(result.panel.tickers)}
    counts = np.cumsum(~np.isnan(result.panel["close"]), axis=0)
    ends: dict[int, tuple[str, str, np.datetime64, np.datetime64]] = {}
    for trade in result.trades:
        ends[trade.position] = (trade.ticker, trade.side, trade.entry_time, trade.exit_time)
    held: dict[int, list[tuple[int, int]]] = {}
    for ticker, side, entry, leave in ends.values():
        column = columns[ticker]
        first, last = np.searchsorted(result.panel.timestamps, [entry, leave])
        bars = int(counts[last, column] - counts[first, column])
        held.setdefault(column, []).append((1 if side == "long" else -1, max(1, bars)))
    return held


def _typical_size(result: BacktestResult) -> float:
    """Median entry value in percent of equity."""
    rows = np.searchsorted(result.panel.timestamps, [trade.entry_time for trade in result.trades])
    before = np.concatenate([[result.initial_cash], result.equity])[rows]
    value = np.array([trade.quantity * trade.entry_price for trade in result.trades])
    return float(np.clip(np.median(100 * value / np.maximum(before, 1e-9)), 0.1, 100.0))


def _random_signals(
    result: BacktestResult, holdings: dict[int, list[tuple[int, int]]], rng: np.random.Generator
) -> "Signals":
    from falcon_pipelines.strategies.signals import Signals

    close = result.panel["close"]
    shape = close.shape
    never, unknown = np.zeros(shape, dtype=bool), np.full(shape, np.nan)
    masks = {name: never.copy() for name in ("entry_long", "exit_long", "entry_short", "exit_short")}
    for column, held in holdings.items():
        rows = np.flatnonzero(~np.isnan(close[:, column]))
        order = rng.permutation(len(held))
        # A position can be followed by another one bar after its exit was signalled, at the earliest.
        spare = max(0, len(rows) - 1 - sum(bars + 1 for _, bars in held))
        gaps = np.diff(np.concatenate([[0], np.sort(rng.integers(0, spare + 1, len(held)))]))
        at = 0
        for gap, index in zip(gaps, order, strict=True):
            side, bars = held[index]
            at += int(gap)
            if at + bars >= len(rows):
                break
            word = "long" if side > 0 else "short"
            masks[f"entry_{word}"][rows[at], column] = True
            masks[f"exit_{word}"][rows[at + bars], column] = True
            at += bars + 1
    rank = rng.random(shape)
    return Signals(
        **masks, stop_distance=unknown, stop_level_long=unknown, stop_level_short=unknown, rank=rank,
        volatility=unknown, warm_up=0,
    )  # fmt: skip
