"""Conditions, operands and distances of a spec as English phrases."""

from collections.abc import Iterator

from falcon_pipelines.bars.panel import FIELDS
from falcon_pipelines.strategies import conditions as c
from falcon_pipelines.strategies import exits as x
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.numbers import is_parameter, plain
from falcon_pipelines.strategies.spec import IndicatorUse, Spec
from falcon_pipelines.strategies.validation import RULES, leaves


class Words:
    """Phrases for the parts of one spec, its parameters at their defaults."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def references(self) -> Iterator[str]:
        """Ids of the indicators that some rule refers to."""
        document = self.spec.document()
        for path, leaf in leaves({key: document[key] for key in RULES if key in document}):
            if isinstance(leaf, str) and not (
                path[0] == "indicators" and path[-1] in ("id", "fn", "timeframe")
            ):
                yield leaf.partition(".")[0]

    def number(self, value: float | str) -> str:
        """`20`, or `$bars (20)` for a parameter."""
        if isinstance(value, str):
            return f"{value} ({plain(self.spec.params[value[1:]].value)})"
        return plain(value)

    def count(self, value: int | str, noun: str) -> str:
        """`1 bar`, `5 bars`."""
        return f"1 {noun}" if value == 1 else f"{self.number(value)} {noun}s"

    def indicator(self, use: IndicatorUse) -> str:
        """`simple moving average (period 50) of the close`."""
        indicator = INDICATORS[use.fn]
        values = {each.name: use.params.get(each.name, each.default) for each in indicator.parameters}
        listed = ", ".join(
            f"{name.replace('_', ' ')} {self.number(v)}" for name, v in values.items() if v is not None
        )
        source = f" of {self.operand(use.source if use.source is not None else 'close')}"
        timeframe = (
            f" on completed {use.timeframe} bars" if use.timeframe not in (None, self.spec.timeframe) else ""
        )
        title = indicator.title + (f" ({listed})" if listed else "")
        return f"{title}{source if indicator.takes_source else ''}{timeframe}"

    def operand(self, operand: c.Operand) -> str:
        """`the close`, `rsi`, `the highest high of 20 bars, 1 bar ago`."""
        match operand:
            case str():
                if is_parameter(operand):
                    return self.number(operand)
                if operand in FIELDS:
                    return f"the {operand}"
                return operand
            case int() | float():
                return plain(operand)
            case c.Lag(lag=(of, bars)):
                return f"{self.operand(of)} {self._ago(bars)}"
            case c.Highest(highest=(of, bars)):
                return f"the highest of {self.operand(of)} in {self.count(bars, 'bar')}"
            case c.Lowest(lowest=(of, bars)):
                return f"the lowest of {self.operand(of)} in {self.count(bars, 'bar')}"
            case c.PctChange(pct_change=(of, bars)):
                return f"the change of {self.operand(of)} over {self.count(bars, 'bar')} in percent"
            case c.Add(add=pair):
                return self._arithmetic(pair, "plus")
            case c.Sub(sub=pair):
                return self._arithmetic(pair, "minus")
            case c.Mul(mul=pair):
                return self._arithmetic(pair, "times")
            case c.Div(div=pair):
                return self._arithmetic(pair, "divided by")
        raise TypeError(f"not an operand: {operand!r}")

    def condition(self, condition: c.Condition) -> str:
        """`rsi is below 30 and the close is above trend`."""
        match condition:
            case c.All(conditions=parts):
                return self._joined(parts, "and")
            case c.AnyOf(conditions=parts):
                return self._joined(parts, "or")
            case c.Not(condition=part):
                return f"it is not so that {self._grouped(part)}"
            case c.Gt(gt=pair):
                return self._compared(pair, "is above")
            case c.Gte(gte=pair):
                return self._compared(pair, "is at or above")
            case c.Lt(lt=pair):
                return self._compared(pair, "is below")
            case c.Lte(lte=pair):
                return self._compared(pair, "is at or below")
            case c.Between(between=(of, low, high)):
                if low == high:
                    return f"{self.operand(of)} is {self.operand(low)}"
                return f"{self.operand(of)} is from {self.operand(low)} to {self.operand(high)}"
            case c.CrossesAbove(crosses_above=pair):
                return self._compared(pair, "crosses above")
            case c.CrossesBelow(crosses_below=pair):
                return self._compared(pair, "crosses below")
            case c.WithinLast(within_last=window):
                return (
                    f"on at least one of the last {self.number(window.bars)} bars {self._grouped(window.of)}"
                )
            case c.ForNBars(for_n_bars=window):
                return f"on each of the last {self.number(window.bars)} bars {self._grouped(window.of)}"
        raise TypeError(f"not a condition: {condition!r}")

    def stop(self, stop: x.Stop) -> str:
        """`5 % from the fill price`."""
        match stop:
            case x.PercentStop(percent=percent):
                return f"{self.number(percent)} % from the fill price"
            case x.AtrStop(atr=atr):
                average = f"ATR({self.number(atr.period)}) of the signal bar"
                return f"{self.number(atr.multiple)} x {average} from the fill price"
            case x.SwingStop(swing=swing):
                bars = self.count(swing.bars, "bar")
                return f"the lowest low (for shorts the highest high) of the {bars} up to the signal bar"
            case x.IndicatorStop(indicator=reference):
                return f"{self.operand(reference)} on the signal bar"
        raise TypeError(f"not a stop: {stop!r}")

    def distance(self, distance: x.Distance) -> str:
        """`8 % from the fill price`, or `2 times the initial risk`."""
        if isinstance(distance, x.PercentDistance):
            return f"{self.number(distance.percent)} % from the fill price"
        return f"{self.number(distance.r_multiple)} times the initial risk"

    def _ago(self, bars: int | str) -> str:
        return f"{self.count(bars, 'bar')} ago"

    def _arithmetic(self, pair: tuple[c.Operand, c.Operand], word: str) -> str:
        sides = [f"({self.operand(s)})" if isinstance(s, c.ARITHMETIC) else self.operand(s) for s in pair]
        return f"{sides[0]} {word} {sides[1]}"

    def _compared(self, pair: tuple[c.Operand, c.Operand], word: str) -> str:
        return f"{self.operand(pair[0])} {word} {self.operand(pair[1])}"

    def _joined(self, parts: tuple[c.Condition, ...], word: str) -> str:
        if len(parts) == 1:
            return self.condition(parts[0])
        return f" {word} ".join(self._grouped(part) for part in parts)

    def _grouped(self, part: c.Condition) -> str:
        phrase = self.condition(part)
        return f"({phrase})" if isinstance(part, c.All | c.AnyOf) and len(part.conditions) > 1 else phrase
