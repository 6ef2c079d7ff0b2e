"""How many bars a strategy needs before it can signal, from its spec alone."""

import math
from collections.abc import Mapping
from typing import Any

from falcon_pipelines.strategies import conditions as c
from falcon_pipelines.strategies.exits import AtrStop, IndicatorStop, SwingStop, VolatilityTarget
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.spec import IndicatorUse, Spec, chosen_params

VOLATILITY_LOOKBACK = 20


def entry_warm_up(spec: Spec, params: Mapping[str, float] | None = None) -> int:
    """The number of leading bars on which no entry can be signalled, whatever the prices."""
    lookbacks = _Lookbacks(spec, chosen_params(spec, params))
    needed = lookbacks.stop()
    if isinstance(spec.sizing, VolatilityTarget):
        needed = max(needed, VOLATILITY_LOOKBACK)
    entries = [
        lookbacks.condition(entry) for entry in (spec.entry.long, spec.entry.short) if entry is not None
    ]
    return max(needed, min(entries))


class _Lookbacks:
    """Leading bars without a value, of every part of one strategy."""

    def __init__(self, spec: Spec, params: Mapping[str, float]) -> None:
        self.spec = spec
        self.uses = {use.id: use for use in spec.indicators}
        self.params = params

    def number(self, value: float | str) -> float:
        return self.params[value[1:]] if isinstance(value, str) else value

    def bars(self, value: int | str) -> int:
        return int(self.number(value))

    def stop(self) -> int:
        match self.spec.exit.stop:
            case AtrStop(atr=atr):
                return self.bars(atr.period)
            case SwingStop(swing=swing):
                return self.bars(swing.bars) - 1
            case IndicatorStop(indicator=reference):
                return self.operand(reference)
        return 0

    def indicator(self, use: IndicatorUse, output: str) -> int:
        indicator = INDICATORS[use.fn]
        arguments = indicator.arguments({key: self.number(value) for key, value in use.params.items()})
        source = self.operand(use.source) if use.source is not None and indicator.takes_source else 0
        return indicator.lookbacks(arguments)[indicator.outputs.index(output) if output else 0] + source

    def operand(self, operand: Any) -> int:
        match operand:
            case str():
                name, _, output = operand.partition(".")
                return self.indicator(self.uses[name], output) if name in self.uses else 0
            case c.Lag(lag=(of, bars)) | c.PctChange(pct_change=(of, bars)):
                return self.operand(of) + self.bars(bars)
            case c.Highest(highest=(of, bars)) | c.Lowest(lowest=(of, bars)):
                return self.operand(of) + self.bars(bars) - 1
            case c.Add(add=pair) | c.Sub(sub=pair) | c.Mul(mul=pair) | c.Div(div=pair):
                return max(self.operand(part) for part in pair)
        return 0

    def condition(self, condition: Any, wanted: bool = True) -> int:
        """Leading bars on which the condition cannot be known to be `wanted`."""
        match condition:
            case c.All(conditions=parts):
                return (max if wanted else min)(self.condition(part, wanted) for part in parts)
            case c.AnyOf(conditions=parts):
                return (min if wanted else max)(self.condition(part, wanted) for part in parts)
            case c.Not(condition=part):
                return self.condition(part, not wanted)
            case c.Gt(gt=pair) | c.Gte(gte=pair) | c.Lt(lt=pair) | c.Lte(lte=pair):
                return max(self.operand(part) for part in pair)
            case c.Between(between=(of, low, high)):
                ends = [max(self.operand(of), self.operand(end)) for end in (low, high)]
                return max(ends) if wanted else min(ends)
            case c.CrossesAbove(crosses_above=pair) | c.CrossesBelow(crosses_below=pair):
                return max(self.operand(part) for part in pair) + (1 if wanted else 0)
            case c.WithinLast(within_last=window):
                return self.condition(window.of, wanted) + (0 if wanted else self.bars(window.bars) - 1)
            case c.ForNBars(for_n_bars=window):
                return self.condition(window.of, wanted) + (self.bars(window.bars) - 1 if wanted else 0)
        return math.inf  # type: ignore[return-value]
