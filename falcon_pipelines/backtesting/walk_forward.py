"""Choosing parameters on one stretch of bars and trading them on the next: the only figures that were not fitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.run import Benchmark, buy_and_hold
from falcon_pipelines.backtesting.statistics import bar_returns, bars_per_year, sharpe_ratio
from falcon_pipelines.backtesting.sweep import Params, sweep, sweep_windows
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import Spec

Scheme = Literal["anchored", "rolling"]
FOLDS = 5
MINIMUM_BARS = 20


class TooFewBars(InputError):
    """The bars do not suffice for so many folds."""


@dataclass(frozen=True)
class Fold:
    """Rows of the panel: parameters are chosen on `train` and traded on `test`, both half-open."""

    train: tuple[int, int]
    test: tuple[int, int]


@dataclass(frozen=True)
class FoldResult:
    """What was chosen on a fold's training bars, its Sharpe ratio there and on the test bars (annualised)."""

    fold: Fold
    params: Params
    trained_sharpe: float
    tested_sharpe: float
    tested_return: float
    benchmark_return: float
    closed_trades: int


@dataclass(frozen=True)
class WalkForward:
    """The folds and the returns of their test stretches put together, (B,) each, with buy-and-hold's beside."""

    scheme: Scheme
    folds: tuple[FoldResult, ...]
    returns: NDArray[np.float64]
    benchmark: NDArray[np.float64]
    periods: float

    @property
    def sharpe(self) -> float:
        """Annualised, of all test bars."""
        return sharpe_ratio(self.returns, self.periods)

    @property
    def total_return(self) -> float:
        """Of all test stretches in a row."""
        return float(np.prod(1 + self.returns)) - 1

    @property
    def excess(self) -> NDArray[np.float64]:
        """Bar returns over buy-and-hold's, (B,)."""
        return self.returns - self.benchmark

    @property
    def efficiency(self) -> float:
        """Mean Sharpe ratio on test bars over that on training bars (Pardo 2008); NaN where that is not positive."""
        trained = float(np.nanmean([fold.trained_sharpe for fold in self.folds]))
        tested = float(np.nanmean([fold.tested_sharpe for fold in self.folds]))
        return tested / trained if trained > 0 else float("nan")


def folds(bars: int, count: int = FOLDS, scheme: Scheme = "anchored", gap: int = 0) -> tuple[Fold, ...]:
    """`count` folds over `bars` rows: count + 1 equal parts, each but the first tested after those before it.

    Anchored folds train on all earlier rows, rolling ones on one part. `gap` rows between training and test are
    left out. Raises TooFewBars.
    """
    length = bars // (count + 1)
    if length - gap < MINIMUM_BARS:
        raise TooFewBars(f"{bars} bars are too few for {count} folds of at least {MINIMUM_BARS} bars")
    found = []
    for i in range(1, count + 1):
        test = (i * length, (i + 1) * length if i < count else bars)
        start = 0 if scheme == "anchored" else (i - 1) * length
        found.append(Fold((start, test[0] - gap), test))
    return tuple(found)


def walk_forward(
    spec: "Spec",
    panel: Panel,
    *,
    grid: Sequence[Params],
    scheme: Scheme = "anchored",
    count: int = FOLDS,
    cash: float = 100_000.0,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
) -> WalkForward:
    """Walk forward over a panel, choosing the highest Sharpe ratio of `grid` on each fold's training bars.

    Indicators are computed on the whole panel, which looks back only; positions are opened and valued within
    each stretch. Raises TooFewBars.
    """
    from falcon_pipelines.strategies.signals import workspace_for

    per_year = bars_per_year(panel.timestamps)
    results, returns, held = [], [], []
    found = folds(len(panel), count, scheme)
    windows = [fold.train for fold in found]
    space = workspace_for(spec, panel)
    run = partial(sweep, spec, panel, cash=cash, fee_bps=fee_bps, slippage_bps=slippage_bps, workspace=space)
    in_sample = sweep_windows(
        spec,
        panel,
        windows,
        grid=grid,
        cash=cash,
        fee_bps=fee_bps,
        slippage_bps=slippage_bps,
        workspace=space,
    )
    for fold, trained in zip(found, in_sample, strict=True):
        best = int(trained.ranking()[0])
        tested = run(grid=(grid[best],), rows=fold.test, keep_returns=True)
        benchmark = _benchmark(spec, panel, fold.test, cash, fee_bps, slippage_bps)
        choice = tested.combination(0)
        results.append(
            FoldResult(
                fold=fold,
                params=grid[best],
                trained_sharpe=trained.combination(best).sharpe,
                tested_sharpe=choice.sharpe,
                tested_return=choice.total_return,
                benchmark_return=benchmark.final_equity / cash - 1,
                closed_trades=choice.closed_trades,
            )
        )
        returns.append(tested.returns[0])
        held.append(bar_returns(benchmark.equity, cash))
    return WalkForward(scheme, tuple(results), np.concatenate(returns), np.concatenate(held), per_year)


def _benchmark(
    spec: "Spec",
    panel: Panel,
    rows: tuple[int, int],
    cash: float,
    fee_bps: float | None,
    slippage_bps: float | None,
) -> Benchmark:
    fee = float(spec.execution.fee_bps) if fee_bps is None else fee_bps
    slippage = float(spec.execution.slippage_bps) if slippage_bps is None else slippage_bps
    return buy_and_hold(panel.rows(*rows), cash, fee, slippage)


@dataclass(frozen=True)
class CrossValidation:
    """Test-bar Sharpe ratios (annualised), one for each split, of the trial that was best on its training bars."""

    sharpes: NDArray[np.float64]
    positive: float
    """Share of splits whose choice earned more than nothing on its test bars."""


def purged_cross_validation(
    returns: NDArray[np.float64],
    periods: float,
    *,
    splits: int = 10,
    test_splits: int = 2,
    purge: int = 5,
    embargo: int = 5,
) -> CrossValidation | None:
    """Combinatorial purged cross-validation over (K, T) bar returns of K trials; None where T is too short.

    `purge` bars before and after each test stretch and `embargo` more after it are not trained on: set them to the
    bars a position lasts. Lopez de Prado (2018), "Advances in Financial Machine Learning", chapters 7 and 12.
    """
    from skfolio.model_selection import CombinatorialPurgedCV

    bars = returns.shape[1]
    if bars // splits <= purge + embargo + MINIMUM_BARS:
        return None
    cv = CombinatorialPurgedCV(
        n_folds=splits, n_test_folds=test_splits, purged_size=purge, embargo_size=embargo
    )
    sharpes = []
    gains = []
    for train, tests in cv.split(np.zeros((bars, 1))):
        inside = returns[:, train]
        deviation = inside.std(axis=1)
        best = int(
            np.argmax(
                np.where(deviation > 1e-15, inside.mean(axis=1) / np.maximum(deviation, 1e-300), -np.inf)
            )
        )
        tested = returns[best, np.concatenate(tests)]
        sharpes.append(sharpe_ratio(tested, periods))
        gains.append(float(np.prod(1 + tested)) > 1)
    return CrossValidation(np.array(sharpes), float(np.mean(gains)))
