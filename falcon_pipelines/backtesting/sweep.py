"""Every combination of a spec's parameters over the same bars, in batches of bounded memory."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.batch import FIGURES, Batch, evaluate
from falcon_pipelines.backtesting.parameters import fill_parameters
from falcon_pipelines.backtesting.run import NoBars, bar_arrays
from falcon_pipelines.backtesting.statistics import bars_per_year
from falcon_pipelines.bars.panel import Panel

if TYPE_CHECKING:
    from falcon_pipelines.strategies.signals import SignalTable
    from falcon_pipelines.strategies.spec import Spec
    from falcon_pipelines.strategies.workspace import Workspace

WORKERS = min(4, os.cpu_count() or 1)
"""Threads that evaluate batches; one batch more than that exists at a time."""

Params = Mapping[str, float]


@dataclass(frozen=True)
class Combination:
    """One choice of parameters and how it did; `sharpe` is annualised, NaN where equity never moved."""

    params: Params
    final_equity: float
    total_return: float
    sharpe: float
    max_drawdown: float
    closed_trades: int


@dataclass(frozen=True)
class SweepResult:
    """K combinations over the same T bars. `figures` is (K, 5), columns `batch.FIGURES`; `returns` (K, T) bar
    returns, (0, 0) where they were not kept; `periods` is bars a year."""

    params: Sequence[Params]
    figures: NDArray[np.float64]
    returns: NDArray[np.float64]
    cash: float
    periods: float

    def __len__(self) -> int:
        return len(self.params)

    def column(self, name: str) -> NDArray[np.float64]:
        """One of `batch.FIGURES` for all combinations, (K,)."""
        return self.figures[:, FIGURES.index(name)]

    @property
    def sharpe_per_bar(self) -> NDArray[np.float64]:
        """Sharpe ratios of bar returns, not annualised, (K,); NaN where equity never moved."""
        deviation = self.column("deviation")
        return np.where(deviation > 1e-15, self.column("mean_return") / np.maximum(deviation, 1e-300), np.nan)

    @property
    def total_returns(self) -> NDArray[np.float64]:
        """Final equity / initial cash - 1, (K,)."""
        return self.column("final_equity") / self.cash - 1.0

    def ranking(self) -> NDArray[np.int64]:
        """Combinations from the highest Sharpe ratio to the lowest, NaN last; equal ones in grid order."""
        sharpe = self.sharpe_per_bar
        return np.argsort(np.where(np.isnan(sharpe), np.inf, -sharpe), kind="stable")

    def combination(self, index: int) -> Combination:
        """The combination at a place of the grid."""
        return Combination(
            params=self.params[index],
            final_equity=float(self.column("final_equity")[index]),
            total_return=float(self.total_returns[index]),
            sharpe=float(self.sharpe_per_bar[index]) * self.periods**0.5,
            max_drawdown=float(self.column("max_drawdown")[index]),
            closed_trades=int(self.column("closed_trades")[index]),
        )

    def best(self, count: int = 10) -> tuple[Combination, ...]:
        """The combinations with the highest Sharpe ratios."""
        return tuple(self.combination(int(index)) for index in self.ranking()[:count])


def grid_of(spec: "Spec") -> Sequence[Params]:
    """Every combination of the parameters that the spec refers to; one empty combination where there are none.

    Raises InvalidSpec for a grid that is too large.
    """
    from falcon_pipelines.strategies.spec import open_params, param_grid

    return param_grid(spec, open_params(spec))


def sweep(
    spec: "Spec",
    panel: Panel,
    *,
    cash: float = 100_000.0,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    grid: Sequence[Params] | None = None,
    rows: tuple[int, int] | None = None,
    keep_returns: bool = False,
    workspace: "Workspace | None" = None,
) -> SweepResult:
    """Backtest every combination of the spec's parameters (or those of `grid`) over a panel.

    The figures equal those of `run_backtest` of each. With `rows`, half-open, the account lives on these rows
    only, while indicators look back at all rows before them. A `workspace` of the panel
    (`signals.workspace_for`) keeps indicators from one sweep to the next. Raises NoBars for a panel without bars, CannotRun,
    InvalidSpec for a grid that is too large.
    """
    first, last = rows if rows is not None else (0, len(panel))
    if last <= first or not panel.tickers:
        raise NoBars("there are no bars to test on; check the tickers and the dates")
    params = grid if grid is not None else grid_of(spec)
    runs = _runs(spec, panel, params, fee_bps, slippage_bps, workspace)
    figures, returns = run_many(
        panel, runs, len(params), cash, windows=((first, last),), keep_returns=keep_returns
    )
    return SweepResult(params, figures[0], returns, cash, bars_per_year(panel.timestamps))


def _runs(
    spec: "Spec",
    panel: Panel,
    params: Sequence[Params],
    fee_bps: float | None,
    slippage_bps: float | None,
    workspace: "Workspace | None",
) -> "Iterator[tuple[SignalTable, NDArray[np.void]]]":
    """Signals and packed fill parameters of each combination, one after the other."""
    from falcon_pipelines.strategies.signals import SignalMaker, workspace_for
    from falcon_pipelines.strategies.spec import chosen_params

    maker = SignalMaker(spec, workspace if workspace is not None else workspace_for(spec, panel))
    defaults = chosen_params(spec)
    names = _fill_params(spec)
    packed: dict[tuple[float, ...], NDArray[np.void]] = {}
    for chosen in params:
        full = {**defaults, **chosen}
        key = tuple([full[name] for name in names])
        if key not in packed:
            fixed = fill_parameters(spec.with_params(chosen), fee_bps=fee_bps, slippage_bps=slippage_bps)
            packed[key] = fixed.packed()
        yield maker.table(full), packed[key]


def _fill_params(spec: "Spec") -> tuple[str, ...]:
    """Names of the parameters that stops, targets, sizes or costs refer to."""
    document = spec.document()
    used: set[str] = set()

    def visit(value: object) -> None:
        if isinstance(value, dict):
            for item in value.values():
                visit(item)
        elif isinstance(value, list):
            for item in value:
                visit(item)
        elif isinstance(value, str) and value.startswith("$"):
            used.add(value[1:])

    for part in ("exit", "sizing", "execution"):
        visit(document.get(part))
    return tuple(name for name in spec.params if name in used)


def run_many(
    panel: Panel,
    runs: "Iterable[tuple[SignalTable, NDArray[np.void]]]",
    count: int,
    cash: float,
    *,
    windows: Sequence[tuple[int, int]] | None = None,
    keep_returns: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Figures (W, count, 5) and bar returns (count, T) of runs, each of signals and packed fill parameters.

    Signals are (T, N) like the panel; each run is made W times, in an account that lives on the rows of one of the
    half-open `windows` (one, the whole panel, when not given). Returns are kept of a single window only. Signals
    are made in this thread while batches before them are evaluated in others.
    """
    windows = windows if windows is not None else ((0, len(panel)),)
    bars = bar_arrays(panel)
    figures = np.zeros((len(windows), count, len(FIGURES)))
    first, last = windows[0]
    returns = np.zeros((count, last - first)) if keep_returns else np.zeros((0, 0))

    def evaluated(batch: Batch, start: int) -> Batch:
        stacks, which, parameters = batch.stacks, batch.which, batch.parameters
        stop = start + len(which)
        for place, (first, last) in enumerate(windows):
            room = returns[start:stop] if keep_returns else returns
            figures[place, start:stop] = evaluate(
                bars, stacks, which, parameters, first, last, float(cash), room
            )
        return batch

    start = 0
    pending: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        batch = Batch()
        for signals, parameters in runs:
            batch.add(signals, parameters)
            if batch.full:
                batch.close()
                pending.append(pool.submit(evaluated, batch, start))
                start += len(batch.which)
                batch = pending.popleft().result() if len(pending) > WORKERS else Batch()
                batch.clear()
        if len(batch):
            batch.close()
            pending.append(pool.submit(evaluated, batch, start))
        for future in pending:
            future.result()
    return figures, returns


def sweep_windows(
    spec: "Spec",
    panel: Panel,
    windows: Sequence[tuple[int, int]],
    *,
    grid: Sequence[Params],
    cash: float = 100_000.0,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    workspace: "Workspace | None" = None,
) -> tuple[SweepResult, ...]:
    """`sweep` with `rows` for several windows at once: the signals are computed once for all of them."""
    params = grid
    figures, returns = run_many(
        panel,
        _runs(spec, panel, params, fee_bps, slippage_bps, workspace),
        len(params),
        cash,
        windows=windows,
    )
    periods = bars_per_year(panel.timestamps)
    return tuple(SweepResult(params, one, returns, cash, periods) for one in figures)
