"""From spec and bars to signals: what the backtest kernel and the paper trader act on. Never looks ahead."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.strategies.conditions import Condition
from falcon_pipelines.strategies.evaluation import Evaluator, rolling_extreme
from falcon_pipelines.strategies.exits import AtrStop, IndicatorStop, SwingStop, VolatilityTarget
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.spec import Spec, chosen_params
from falcon_pipelines.strategies.timeframes import check_timeframe
from falcon_pipelines.strategies.warm_up import entry_warm_up
from falcon_pipelines.strategies.workspace import Array, Mask, Workspace

VOLATILITY_BARS = 20
SESSIONS_PER_YEAR = 252


@dataclass(frozen=True)
class SignalTable:
    """What a strategy says on each completed bar of T times and N tickers; orders act from the next bar on.

    `entry_*` and `exit_*` are (T, N) bool, False where anything needed is unknown. `stop_distance` is dollars
    from the fill price, `stop_level_*` an absolute price known at that bar; NaN where the spec has none. An
    entry whose stop or volatility is unknown is not signalled. Higher `rank` is taken first when cash or
    slots are short. `volatility` is annualised, as a fraction, NaN where it is not needed. Arrays may be shared
    between tables: do not write to them.
    """

    entry_long: NDArray[np.bool_]
    exit_long: NDArray[np.bool_]
    entry_short: NDArray[np.bool_]
    exit_short: NDArray[np.bool_]
    stop_distance: NDArray[np.float64]
    stop_level_long: NDArray[np.float64]
    stop_level_short: NDArray[np.float64]
    rank: NDArray[np.float64]
    volatility: NDArray[np.float64]


@dataclass(frozen=True)
class Signals(SignalTable):
    """The table with the number of leading bars, `warm_up`, before which no entry is signalled."""

    warm_up: int


def workspace_for(spec: Spec, panel: Panel) -> Workspace:
    """A workspace to pass to `compute_signals` again and again.

    Raises WrongBars unless the panel has bars of the spec's timeframe (timeframes.at_timeframe makes them).
    """
    check_timeframe(panel, spec.timeframe)
    return Workspace(panel, spec.timeframe)


def compute_signals(
    spec: Spec,
    panel: Panel | Workspace,
    params: Mapping[str, float] | None = None,
) -> Signals:
    """The signals of a strategy on bars of its own timeframe.

    `params` chooses values for the spec's parameters, defaults where not given: the same as
    `spec.with_params(params)`, but quick enough for sweeps when the same Workspace is passed each time.
    Values other than those of `param_grid`, which the spec's own validation has seen, go through
    `with_params` first. Holds `signals(data[:t]) == signals(data)[:t]` for every t.
    """
    space = panel if isinstance(panel, Workspace) else workspace_for(spec, panel)
    chosen = chosen_params(spec, params)
    maker = SignalMaker(spec, space)
    return Signals(**vars(maker.table(chosen)), warm_up=_warm_up(spec, chosen, maker.evaluator))


class SignalMaker:
    """Signals of one strategy on one workspace for many choices of parameters, one after the other."""

    def __init__(self, spec: Spec, workspace: Workspace) -> None:
        self.spec = spec
        self.evaluator = Evaluator(workspace, spec.indicators, chosen_params(spec))
        long, short = spec.entry.long, spec.entry.short
        self._long, self._short = long, short
        self._leave_long = spec.exit.signal_for("long") if long is not None else None
        self._leave_short = spec.exit.signal_for("short") if short is not None else None
        self._volatility = _volatility(workspace) if isinstance(spec.sizing, VolatilityTarget) else None

    def table(self, params: Mapping[str, float]) -> SignalTable:
        """The signals with a value for every parameter of the spec; see `compute_signals`."""
        self.evaluator.choose(params)
        space = self.evaluator.workspace
        distance, level_long, level_short = _stops(self.spec, self.evaluator)
        return SignalTable(
            entry_long=self._holds(self._long, distance, level_long, self._volatility),
            exit_long=self._holds(self._leave_long),
            entry_short=self._holds(self._short, distance, level_short, self._volatility),
            exit_short=self._holds(self._leave_short),
            stop_distance=_numbers(space, distance),
            stop_level_long=_numbers(space, level_long),
            stop_level_short=_numbers(space, level_short),
            rank=_rank(self.spec, self.evaluator),
            volatility=_numbers(space, self._volatility),
        )

    def _holds(self, condition: "Condition | None", *needed: Array | None) -> Mask:
        """Where the condition holds and what is needed beside it is known."""
        space = self.evaluator.workspace
        if condition is None:
            return space.never
        mask = self.evaluator.holds(condition)
        for values in needed:
            if values is not None:
                mask = mask & np.isfinite(values)
        return space.unpacked(mask, False)


def _stops(spec: Spec, evaluator: Evaluator) -> tuple[Array | None, Array | None, Array | None]:
    """Distance, level for longs and level for shorts, packed."""
    if spec.exit.stop is None:
        return None, None, None
    space = evaluator.workspace
    match spec.exit.stop:
        case AtrStop(atr=atr):
            arguments = INDICATORS["atr"].arguments({"period": evaluator.number(atr.period)})
            (average,) = space.indicator("atr", arguments, space.field("close"), "")
            return average * evaluator.number(atr.multiple), None, None
        case SwingStop(swing=swing):
            bars = evaluator.bars(swing.bars)
            low = rolling_extreme(space.field("low"), bars, highest=False)
            return None, low, rolling_extreme(space.field("high"), bars, highest=True)
        case IndicatorStop(indicator=reference):
            level = evaluator.reference(reference)
            return None, level, level
    return None, None, None


def _volatility(space: Workspace) -> Array:
    """Standard deviation (ddof 1) of the last 20 daily returns of complete days, annualised with 252
    sessions."""
    if space.timeframe != "day":
        return space.from_coarser("day", _volatility(space.coarser("day")))
    close = space.field("close")
    result = np.full(close.shape, np.nan, order="F")
    returns = close[1:] / close[:-1] - 1.0
    bars = len(returns) - VOLATILITY_BARS + 1
    if bars > 0:
        # Added up one by one: the same order for every length of history gives the same bits.
        mean, squares = np.zeros_like(returns[:bars]), np.zeros_like(returns[:bars])
        for lag in range(VOLATILITY_BARS):
            mean += returns[lag : lag + bars] / VOLATILITY_BARS
        for lag in range(VOLATILITY_BARS):
            squares += (returns[lag : lag + bars] - mean) ** 2
        result[VOLATILITY_BARS:] = np.sqrt(squares / (VOLATILITY_BARS - 1) * SESSIONS_PER_YEAR)
    return result


def _warm_up(spec: Spec, params: Mapping[str, float], evaluator: Evaluator) -> int:
    """What the spec alone tells; with indicators of a coarser timeframe, where an entry is first
    decidable."""
    needed = entry_warm_up(spec, params)
    if all(use.timeframe in (None, spec.timeframe) for use in spec.indicators):
        return needed
    space = evaluator.workspace
    decidable = space.never
    for entry in (spec.entry.long, spec.entry.short):
        if entry is not None:
            known = evaluator.holds(entry) | evaluator.holds(entry, wanted=False)
            decidable = decidable | space.unpacked(known, False)
    rows = np.flatnonzero(decidable.any(axis=1))
    return max(needed, int(rows[0]) if len(rows) else len(space.panel))


def _rank(spec: Spec, evaluator: Evaluator) -> Array:
    space = evaluator.workspace
    if spec.execution.rank_by is None:
        return space.zero
    values = evaluator.array(spec.execution.rank_by)
    ordered = values if spec.execution.rank_order == "descending" else -values
    return space.unpacked(np.where(np.isnan(ordered), -np.inf, ordered), -np.inf)


def _numbers(space: Workspace, values: Array | None) -> Array:
    return space.unknown if values is None else space.unpacked(values, np.nan)
