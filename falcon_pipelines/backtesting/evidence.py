"""Everything a verdict rests on, gathered once: the backtest, all its trials, and what happens out of sample, at
other costs, with other fills and by chance. Decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.deflation import deflated_sharpe_ratio, probability_of_overfitting
from falcon_pipelines.backtesting.resampling import (
    RandomEntries,
    TradeShuffle,
    bootstrap_mean,
    random_entries,
    shuffle_trades,
    superior_predictive_ability,
)
from falcon_pipelines.backtesting.run import BacktestResult, run_backtest
from falcon_pipelines.backtesting.sensitivity import (
    Regime,
    Variant,
    cost_sensitivity,
    fill_sensitivity,
    regimes,
)
from falcon_pipelines.backtesting.statistics import bar_returns, bars_per_year, excess_at_equal_risk
from falcon_pipelines.backtesting.sweep import Params, SweepResult, grid_of, sweep
from falcon_pipelines.backtesting.trials import InMemoryTrials, TrialsLedger, TrialSummary, trials_of
from falcon_pipelines.backtesting.walk_forward import (
    CrossValidation,
    TooFewBars,
    WalkForward,
    purged_cross_validation,
    walk_forward,
)
from falcon_pipelines.bars.panel import Panel

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import Spec

KEPT_RETURNS = 12_000_000
"""Bar returns kept of a sweep (96 MB); a larger grid is thinned evenly for the tests that need all its returns."""
SPA_TRIALS = 100
WALK_FORWARD_COMBINATIONS = 500


@dataclass(frozen=True)
class Interval:
    """An annual mean with its 95 % bootstrap interval, as fractions; NaN where it could not be determined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evidence:
    """What is known of a strategy beside its backtest. Shares and probabilities are fractions; None or NaN where
    something could not be determined. `equal_risk`, `spa_p_value` and `out_of_sample` compare with buy-and-hold
    at its volatility, `excess` in plain returns."""

    swept: SweepResult
    trials: TrialSummary
    excess: Interval
    equal_risk: Interval
    deflated_sharpe: float
    overfitting: float
    spa_p_value: float
    anchored: WalkForward | None
    rolling: WalkForward | None
    out_of_sample: Interval
    cross_validation: CrossValidation | None
    costs: tuple[Variant, ...]
    optimistic: Variant
    pessimistic: Variant
    random: RandomEntries | None
    shuffled: TradeShuffle | None
    regimes: tuple[Regime, ...]


def gather(
    spec: "Spec",
    panel: Panel,
    *,
    cash: float = 100_000.0,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    ledger: TrialsLedger | None = None,
    seed: int = 0,
) -> tuple[BacktestResult, Evidence]:
    """Backtest a spec with its default parameters and gather the evidence for a verdict on it.

    Every combination of the spec's parameters is a trial and is recorded in `ledger` (one of this call's own
    when none is given). The same arguments and ledger give the same evidence. Raises as `run_backtest`.
    """
    from falcon_pipelines.strategies.signals import compute_signals

    ledger = ledger if ledger is not None else InMemoryTrials()
    chosen = spec.with_params()
    signals = compute_signals(chosen, panel)
    result = run_backtest(
        chosen, panel, cash=cash, signals=signals, fee_bps=fee_bps, slippage_bps=slippage_bps
    )

    grid = grid_of(spec)
    default = {name: spec.params[name].value for name in grid[0]}
    if default not in grid:
        grid = (*grid, default)
    thinned = _thinned(grid, KEPT_RETURNS // len(panel), default)
    run = partial(sweep, spec, panel, cash=cash, fee_bps=fee_bps, slippage_bps=slippage_bps)
    kept = run(grid=thinned, keep_returns=True)
    everything = kept if thinned is grid else run(grid=grid)
    ledger.record(trials_of(spec, everything, panel.version))
    trials = ledger.summary()
    own = bar_returns(result.equity, cash)
    held = bar_returns(result.benchmark.equity, cash)
    periods = bars_per_year(panel.timestamps)
    forward = _walk(spec, panel, grid, default, "anchored", cash, fee_bps, slippage_bps)
    optimistic, pessimistic = fill_sensitivity(result, signals)
    known = list(kept.params)
    tried = np.array([known.index(params) for params in _thinned(known, SPA_TRIALS, default)])
    deviation = float(np.std(own, ddof=1)) if len(own) > 1 else 0.0
    evidence = Evidence(
        swept=everything,
        trials=trials,
        excess=interval(result.excess, periods, seed),
        equal_risk=interval(excess_at_equal_risk(own, held), periods, seed),
        deflated_sharpe=deflated_sharpe_ratio(
            float(own.mean()) / deviation if deviation > 1e-15 else float("nan"),
            len(own),
            result.stats.skewness,
            result.stats.kurtosis,
            trials.count,
            trials.variance,
        ),
        overfitting=probability_of_overfitting(kept.returns),
        spa_p_value=superior_predictive_ability(excess_at_equal_risk(kept.returns[tried], held), seed=seed),
        anchored=forward,
        rolling=_walk(spec, panel, grid, default, "rolling", cash, fee_bps, slippage_bps),
        out_of_sample=interval(excess_at_equal_risk(forward.returns, forward.benchmark), periods, seed)
        if forward
        else Interval(*[float("nan")] * 3),
        cross_validation=_cross_validated(kept, result),
        costs=cost_sensitivity(result, signals),
        optimistic=optimistic,
        pessimistic=pessimistic,
        random=random_entries(result, seed=seed),
        shuffled=shuffle_trades(result, seed=seed),
        regimes=regimes(result),
    )
    return result, evidence


def interval(values: NDArray[np.float64], periods: float, seed: int) -> Interval:
    """Annual mean of bar values (T,) with its interval."""
    low, high = bootstrap_mean(values, seed=seed)
    return Interval(float(values.mean()) * periods, low * periods, high * periods)


def _thinned(grid: Sequence[Params], count: int, keep: Params) -> Sequence[Params]:
    """At most about `count` combinations, evenly spaced over the grid, `keep` among them."""
    if len(grid) <= count:
        return grid
    places = np.unique(np.linspace(0, len(grid) - 1, max(1, count - 1)).round().astype(int))
    thinned = tuple(grid[place] for place in places)
    return thinned if keep in thinned else (*thinned, keep)


def _walk(
    spec: "Spec",
    panel: Panel,
    grid: Sequence[Params],
    default: Params,
    scheme: str,
    cash: float,
    fee_bps: float | None,
    slippage_bps: float | None,
) -> WalkForward | None:
    try:
        return walk_forward(
            spec,
            panel,
            grid=_thinned(grid, WALK_FORWARD_COMBINATIONS, default),
            scheme="anchored" if scheme == "anchored" else "rolling",
            cash=cash,
            fee_bps=fee_bps,
            slippage_bps=slippage_bps,
        )
    except TooFewBars:
        return None


def _cross_validated(swept: SweepResult, result: BacktestResult) -> CrossValidation | None:
    held = [trade.bars_held for trade in result.trades]
    longest = int(np.percentile(held, 90)) + 1 if held else 5
    return purged_cross_validation(swept.returns, swept.periods, purge=longest, embargo=max(1, longest // 2))
