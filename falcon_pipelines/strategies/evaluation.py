"""What conditions and operands evaluate to on bars.

Three-valued logic (Kleene): a comparison with an unknown operand is neither true nor false, so `not` of it
is not true either, and nothing is signalled during warm-up. All arrays are packed (see workspace.py), so
every step looks at a ticker's own earlier bars only.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import talib

from falcon_pipelines.bars.panel import FIELDS
from falcon_pipelines.strategies import conditions as c
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.workspace import Array, Mask, Workspace

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import IndicatorUse

Value = Array | float


class Evaluator:
    """Evaluates the trees of one strategy with one choice of parameters on one workspace."""

    def __init__(
        self, workspace: Workspace, uses: "Sequence[IndicatorUse]", params: Mapping[str, float]
    ) -> None:
        self.workspace = workspace
        self.uses = {use.id: use for use in uses}
        self.params = params

    def number(self, value: float | str) -> float:
        """A number of the spec, looked up where it is "$name"."""
        return self.params[value[1:]] if isinstance(value, str) else value

    def bars(self, value: int | str) -> int:
        """A number of bars of the spec."""
        return int(self.number(value))

    def operand(self, operand: "c.Operand") -> Value:
        """The operand's values (T, N); a float for what is written as a number."""
        match operand:
            case int() | float():
                return float(operand)
            case str():
                return float(self.number(operand)) if operand.startswith("$") else self.reference(operand)
            case c.Lag(lag=(of, bars)):
                return shifted(self.array(of), self.bars(bars))
            case c.Highest(highest=(of, bars)):
                return self._extreme(of, bars, highest=True)
            case c.Lowest(lowest=(of, bars)):
                return self._extreme(of, bars, highest=False)
            case c.PctChange(pct_change=(of, bars)):
                now = self.array(of)
                before = shifted(now, self.bars(bars))
                return _divided(now - before, np.abs(before)) * 100.0
            case c.Add(add=(left, right)):
                return self.array(left) + self.operand(right)
            case c.Sub(sub=(left, right)):
                return self.array(left) - self.operand(right)
            case c.Mul(mul=(left, right)):
                return self.array(left) * self.operand(right)
            case c.Div(div=(left, right)):
                return _divided(self.array(left), self.operand(right))
        raise TypeError(f"not an operand: {operand!r}")

    def array(self, operand: "c.Operand") -> Array:
        """The operand's values as a packed (T, N) array even where it is one number."""
        value = self.operand(operand)
        return value if isinstance(value, np.ndarray) else np.full(self.workspace.shape, value, order="F")

    def reference(self, name: str) -> Array:
        """A bar field, or an output of an indicator; one of a coarser timeframe as of its last complete
        bar."""
        if name in FIELDS:
            return self.workspace.field(name)
        use_id, _, output = name.partition(".")
        use = self.uses[use_id]
        if use.timeframe not in (None, self.workspace.timeframe):
            timeframe = str(use.timeframe)
            inner = Evaluator(self.workspace.coarser(timeframe), tuple(self.uses.values()), self.params)
            return self.workspace.from_coarser(timeframe, inner.reference(name))
        indicator = INDICATORS[use.fn]
        arguments = indicator.arguments({key: self.number(value) for key, value in use.params.items()})
        source = use.source if use.source is not None else "close"
        values = self.workspace.indicator(
            use.fn,
            arguments,
            self.array(source) if indicator.takes_source else self.workspace.field("close"),
            self._key(source) if indicator.takes_source else "",
        )
        return values[indicator.outputs.index(output) if output else 0]

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

    def _extreme(self, of: "c.Operand", bars: int | str, *, highest: bool) -> Array:
        return rolling_extreme(self.array(of), self.bars(bars), highest=highest)

    def holds(self, condition: "c.Condition", wanted: bool = True) -> Mask:
        """(T, N): True where the condition is known to be `wanted`."""
        match condition:
            case c.All(conditions=parts):
                return self._joined(parts, wanted, every=wanted)
            case c.AnyOf(conditions=parts):
                return self._joined(parts, wanted, every=not wanted)
            case c.Not(condition=part):
                return self.holds(part, not wanted)
            case c.Gt(gt=(left, right)):
                return self._compare(left, right, np.greater if wanted else np.less_equal)
            case c.Gte(gte=(left, right)):
                return self._compare(left, right, np.greater_equal if wanted else np.less)
            case c.Lt(lt=(left, right)):
                return self._compare(left, right, np.less if wanted else np.greater_equal)
            case c.Lte(lte=(left, right)):
                return self._compare(left, right, np.less_equal if wanted else np.greater)
            case c.Between(between=(of, low, high)):
                return self.holds(c.All(conditions=(c.Gte(gte=(of, low)), c.Lte(lte=(of, high)))), wanted)
            case c.CrossesAbove(crosses_above=(left, right)):
                return self._crosses(self.operand(left), self.operand(right), wanted)
            case c.CrossesBelow(crosses_below=(left, right)):
                return self._crosses(self.operand(right), self.operand(left), wanted)
            case c.WithinLast(within_last=window):
                return _over_window(self.holds(window.of, wanted), self.bars(window.bars), every=not wanted)
            case c.ForNBars(for_n_bars=window):
                return _over_window(self.holds(window.of, wanted), self.bars(window.bars), every=wanted)
        raise TypeError(f"not a condition: {condition!r}")

    def _joined(self, parts: "Sequence[c.Condition]", wanted: bool, *, every: bool) -> Mask:
        result = self.holds(parts[0], wanted)
        for part in parts[1:]:
            other = self.holds(part, wanted)
            result = result & other if every else result | other
        return result

    def _compare(self, left: "c.Operand", right: "c.Operand", ufunc: np.ufunc) -> Mask:
        a, b = self.operand(left), self.operand(right)
        if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
            a = np.full(self.workspace.shape, a, order="F")
        result: Mask = ufunc(a, b)
        return result

    def _crosses(self, above: Value, below: Value, wanted: bool) -> Mask:
        """`above` is above `below` now and was not on the bar before; false as soon as either half is."""
        if not isinstance(above, np.ndarray) and not isinstance(below, np.ndarray):
            above = np.full(self.workspace.shape, above, order="F")
        now_above: Mask = np.greater(above, below)
        now_not: Mask = np.less_equal(above, below)
        result = np.zeros(now_above.shape, dtype=bool, order="F")
        if wanted:
            np.logical_and(now_above[1:], now_not[:-1], out=result[1:])
        else:
            np.logical_or(now_not[1:], now_above[:-1], out=result[1:])
            result[:1] = now_not[:1]
        return result


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
