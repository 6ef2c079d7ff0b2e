"""What conditions and operands evaluate to on bars.

Three-valued logic (Kleene): a comparison with an unknown operand is neither true nor false, so `not` of it
is not true either, and nothing is signalled during warm-up. All arrays are packed (see workspace.py), so
every step looks at a ticker's own earlier bars only.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from falcon_pipelines.bars.panel import FIELDS
from falcon_pipelines.strategies import conditions as c
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.indicators.ta_lib import talib
from falcon_pipelines.strategies.workspace import Array, IndicatorKey, Mask, Workspace, indicator_key

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import IndicatorUse

Value = Array | float


class _Call(NamedTuple):
    """An output of an indicator with its numbers filled in; `timeframe` is None on the strategy's own bars."""

    fn: str
    arguments: Mapping[str, float]
    source: "c.Operand | None"
    key: IndicatorKey
    output: int
    timeframe: str | None


class Evaluator:
    """Evaluates the trees of one strategy on one workspace, with one choice of parameters at a time."""

    def __init__(
        self, workspace: Workspace, uses: "Sequence[IndicatorUse]", params: Mapping[str, float]
    ) -> None:
        self.workspace = workspace
        self.uses = {use.id: use for use in uses}
        self.params = params
        self._referred: dict[str, Array] = {}
        self._varies: dict[str, tuple[str, ...]] = {}
        self._calls: dict[tuple[str, tuple[float, ...]], _Call] = {}
        self._coarser: dict[str, Evaluator] = {}

    def choose(self, params: Mapping[str, float]) -> None:
        """Evaluate with another choice of parameters from now on."""
        self.params = params
        self._referred.clear()
        for inner in self._coarser.values():
            inner.choose(params)

    def number(self, value: float | str) -> float:
        """A number of the spec, looked up where it is "$name"."""
        return self.params[value[1:]] if isinstance(value, str) else value

    def bars(self, value: int | str) -> int:
        """A number of bars of the spec."""
        return int(self.number(value))

    def operand(self, operand: "c.Operand") -> Value:
        """The operand's values (T, N); a float for what is written as a number."""
        if isinstance(operand, str):
            return float(self.number(operand)) if operand.startswith("$") else self.reference(operand)
        if isinstance(operand, int | float):
            return float(operand)
        return _OPERANDS[type(operand)](self, operand)

    def array(self, operand: "c.Operand") -> Array:
        """The operand's values as a packed (T, N) array even where it is one number."""
        value = self.operand(operand)
        return value if isinstance(value, np.ndarray) else np.full(self.workspace.shape, value, order="F")

    def reference(self, name: str) -> Array:
        """A bar field, or an output of an indicator; one of a coarser timeframe as of its last complete
        bar."""
        if name not in self._referred:
            self._referred[name] = self.workspace.field(name) if name in FIELDS else self._output(name)
        return self._referred[name]

    def _output(self, name: str) -> Array:
        call = self._call(name)
        if call.timeframe is not None:
            return self.workspace.from_coarser(call.timeframe, self._inner(call.timeframe).reference(name))
        outputs = self.workspace.kept(call.key)
        if outputs is None:
            source = self.workspace.field("close") if call.source is None else self.array(call.source)
            outputs = self.workspace.indicator(call.fn, call.arguments, source, call.key[2])
        return outputs[call.output]

    def _call(self, name: str) -> "_Call":
        """How a referred output is computed; looked up where the same parameter values were chosen before."""
        if name not in self._varies:
            self._varies[name] = tuple(sorted(self._parameters(name)))
        key = (name, tuple([self.params[each] for each in self._varies[name]]))
        if key not in self._calls:
            self._calls[key] = self._resolved(name)
        return self._calls[key]

    def _resolved(self, name: str) -> "_Call":
        use_id, _, output = name.partition(".")
        use = self.uses[use_id]
        indicator = INDICATORS[use.fn]
        arguments = indicator.arguments({key: self.number(value) for key, value in use.params.items()})
        source = (use.source if use.source is not None else "close") if indicator.takes_source else None
        return _Call(
            fn=use.fn,
            arguments=arguments,
            source=source,
            key=indicator_key(use.fn, arguments, self._key(source) if source is not None else ""),
            output=indicator.outputs.index(output) if output else 0,
            timeframe=None if use.timeframe in (None, self.workspace.timeframe) else use.timeframe,
        )

    def _inner(self, timeframe: str) -> "Evaluator":
        """The evaluator of the same strategy on bars of a coarser timeframe."""
        if timeframe not in self._coarser:
            uses = tuple(self.uses.values())
            self._coarser[timeframe] = Evaluator(self.workspace.coarser(timeframe), uses, self.params)
        return self._coarser[timeframe]

    def _parameters(self, operand: "c.Operand") -> set[str]:
        """Names of the parameters that an operand's values depend on."""
        if isinstance(operand, str):
            if operand.startswith("$"):
                return {operand[1:]}
            use = self.uses.get(operand.partition(".")[0])
            if use is None or operand in FIELDS:
                return set()
            given = {value[1:] for value in use.params.values() if isinstance(value, str)}
            return given | (self._parameters(use.source) if use.source is not None else set())
        if isinstance(operand, int | float):
            return set()
        ((_, parts),) = operand
        return set().union(*(self._parameters(part) for part in parts))

    def _key(self, operand: "c.Operand") -> str:
        """What the operand stands for, the same for equal values: parameters and indicators resolved."""
        if isinstance(operand, str):
            if operand.startswith("$"):
                return str(self.number(operand))
            if operand in FIELDS:
                return operand
            use_id, _, output = operand.partition(".")
            use = self.uses[use_id]
            numbers = {key: self.number(value) for key, value in use.params.items()}
            source = self._key(use.source) if use.source is not None else "close"
            return json.dumps([use.fn, INDICATORS[use.fn].arguments(numbers), source, use.timeframe, output])
        if isinstance(operand, int | float):
            return str(float(operand))
        (name, parts), *_ = operand
        return json.dumps([name, [self._key(part) for part in parts]])

    def extreme(self, of: "c.Operand", bars: int | str, *, highest: bool) -> Array:
        """Highest or lowest of an operand's last bars."""
        return rolling_extreme(self.array(of), self.bars(bars), highest=highest)

    def lagged(self, of: "c.Operand", bars: int | str) -> Array:
        """An operand's values some bars earlier."""
        return shifted(self.array(of), self.bars(bars))

    def change(self, of: "c.Operand", bars: int | str) -> Array:
        """An operand's change over some bars, in percent of where it started."""
        now = self.array(of)
        before = shifted(now, self.bars(bars))
        return _divided(now - before, np.abs(before)) * 100.0

    def holds(self, condition: "c.Condition", wanted: bool = True) -> Mask:
        """(T, N): True where the condition is known to be `wanted`."""
        return _CONDITIONS[type(condition)](self, condition, wanted)

    def joined(self, parts: "Sequence[c.Condition]", wanted: bool, *, every: bool) -> Mask:
        """All of the conditions, or any of them."""
        result = self.holds(parts[0], wanted)
        for part in parts[1:]:
            other = self.holds(part, wanted)
            result = result & other if every else result | other
        return result

    def compared(self, pair: "tuple[c.Operand, c.Operand]", ufunc: np.ufunc) -> Mask:
        """The comparison of two operands; False where one is unknown."""
        left, right = pair
        a, b = self.operand(left), self.operand(right)
        if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
            a = np.full(self.workspace.shape, a, order="F")
        result: Mask = ufunc(a, b)
        return result

    def between(self, bounds: "tuple[c.Operand, c.Operand, c.Operand]", wanted: bool) -> Mask:
        """Neither below the low nor above the high."""
        of, low, high = bounds
        return self.holds(c.All(conditions=(c.Gte(gte=(of, low)), c.Lte(lte=(of, high)))), wanted)

    def crosses(self, rising: "c.Operand", falling: "c.Operand", wanted: bool) -> Mask:
        """`rising` is above `falling` now and was not on the bar before; false as soon as either half is."""
        above, below = self.operand(rising), self.operand(falling)
        from falcon_pipelines.strategies.crossings import (
            crossings,  # loads numba, which few live strategies need
        )

        found: Mask = crossings(self._by_ticker(above), self._by_ticker(below), wanted).T
        return found

    def _by_ticker(self, value: Value) -> Array:
        """The values transposed, so that each ticker's own follow one another in memory."""
        if isinstance(value, np.ndarray):
            return np.ascontiguousarray(value.T)
        return np.broadcast_to(np.float64(value), self.workspace.shape[::-1])


_OPERANDS: "Mapping[type, Callable[[Evaluator, Any], Value]]" = {
    c.Lag: lambda on, it: on.lagged(*it.lag),
    c.Highest: lambda on, it: on.extreme(*it.highest, highest=True),
    c.Lowest: lambda on, it: on.extreme(*it.lowest, highest=False),
    c.PctChange: lambda on, it: on.change(*it.pct_change),
    c.Add: lambda on, it: on.array(it.add[0]) + on.operand(it.add[1]),
    c.Sub: lambda on, it: on.array(it.sub[0]) - on.operand(it.sub[1]),
    c.Mul: lambda on, it: on.array(it.mul[0]) * on.operand(it.mul[1]),
    c.Div: lambda on, it: _divided(on.array(it.div[0]), on.operand(it.div[1])),
}
"""What each kind of operand evaluates to."""

_CONDITIONS: "Mapping[type, Callable[[Evaluator, Any, bool], Mask]]" = {
    c.All: lambda on, it, wanted: on.joined(it.conditions, wanted, every=wanted),
    c.AnyOf: lambda on, it, wanted: on.joined(it.conditions, wanted, every=not wanted),
    c.Not: lambda on, it, wanted: on.holds(it.condition, not wanted),
    c.Gt: lambda on, it, wanted: on.compared(it.gt, np.greater if wanted else np.less_equal),
    c.Gte: lambda on, it, wanted: on.compared(it.gte, np.greater_equal if wanted else np.less),
    c.Lt: lambda on, it, wanted: on.compared(it.lt, np.less if wanted else np.greater_equal),
    c.Lte: lambda on, it, wanted: on.compared(it.lte, np.less_equal if wanted else np.greater),
    c.Between: lambda on, it, wanted: on.between(it.between, wanted),
    c.CrossesAbove: lambda on, it, wanted: on.crosses(it.crosses_above[0], it.crosses_above[1], wanted),
    c.CrossesBelow: lambda on, it, wanted: on.crosses(it.crosses_below[1], it.crosses_below[0], wanted),
    c.WithinLast: lambda on, it, wanted: _over_window(
        on.holds(it.within_last.of, wanted), on.bars(it.within_last.bars), every=not wanted
    ),
    c.ForNBars: lambda on, it, wanted: _over_window(
        on.holds(it.for_n_bars.of, wanted), on.bars(it.for_n_bars.bars), every=wanted
    ),
}
"""Where each kind of condition is known to be what is wanted."""


def shifted(values: Array, bars: int) -> Array:
    """The values `bars` bars earlier, NaN where there are none."""
    result = np.full(values.shape, np.nan, order="F")
    if bars < len(values):
        result[bars:] = values[: len(values) - bars]
    return result


def rolling_extreme(values: Array, bars: int, *, highest: bool) -> Array:
    """Largest or smallest of the last `bars` values of each column; NaN where one of them is unknown."""
    if bars == 1:
        return values
    result = np.full(values.shape, np.nan, order="F")
    if bars > len(values):
        return result
    unknown = np.isnan(values)
    filled = np.where(unknown, -np.inf if highest else np.inf, values)
    rolling = talib.MAX if highest else talib.MIN
    for index in range(values.shape[1]):
        result[:, index] = rolling(np.ascontiguousarray(filled[:, index]), bars)
    if unknown.any():
        result[_count_over(unknown, bars) > 0] = np.nan
    return result


def _over_window(mask: Mask, bars: int, *, every: bool) -> Mask:
    if bars == 1:
        return mask
    found = _count_over(mask, bars)
    return found == bars if every else found > 0


def _count_over(mask: Mask, bars: int) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """How many of the last `bars` (or fewer, at the start) are True."""
    total = np.cumsum(mask, axis=0, dtype=np.int64)
    total[bars:] -= total[:-bars].copy()
    return total


def _divided(top: Array, bottom: Value) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.divide(top, bottom)
    return np.where(np.isfinite(result), result, np.nan)
