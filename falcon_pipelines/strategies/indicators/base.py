"""What an indicator is: its name, convention, parameters and a function over the bars of one ticker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.strategies.indicators.ta_lib import talib
from falcon_pipelines.strategies.numbers import Bounds

Values = NDArray[np.float64]


class Column:
    """The bars of one ticker, oldest first, without gaps: arrays of equal length (n,), each made when asked for.

    `source` is what an indicator with a source is computed on. `session` is the New York date of each bar as
    a day number, `minute` the minutes from 09:30 New York to the bar's start (negative on day bars).
    """

    def __init__(self, source: Values, load: Callable[[str], NDArray[Any]]) -> None:
        self.source = source
        self._load = load

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def open(self) -> Values:
        """First price, dollars."""
        return self._load("open")

    @cached_property
    def high(self) -> Values:
        """Highest price, dollars."""
        return self._load("high")

    @cached_property
    def low(self) -> Values:
        """Lowest price, dollars."""
        return self._load("low")

    @cached_property
    def close(self) -> Values:
        """Last price, dollars."""
        return self._load("close")

    @cached_property
    def volume(self) -> Values:
        """Shares traded."""
        return self._load("volume")

    @cached_property
    def session(self) -> NDArray[np.int64]:
        """New York date, days since 1970-01-01."""
        return self._load("session")

    @cached_property
    def minute(self) -> NDArray[np.int64]:
        """Minutes from 09:30 New York to the bar's start."""
        return self._load("minute")

    def take(self, rows: NDArray[np.bool_]) -> "Column":
        """The same column with only some of its bars."""
        return Column(self.source[rows], lambda name: getattr(self, name)[rows])


@dataclass(frozen=True)
class IndicatorParameter:
    """A named number of an indicator; without a default it must be given."""

    name: str
    bounds: Bounds
    default: float | None = None

    def __str__(self) -> str:
        default = f" (default {self.default:g})" if self.default is not None else ""
        return f"{self.name}: {self.bounds}{default}"


@dataclass(frozen=True)
class Indicator:
    """An indicator of the registry.

    `compute(column, **params)` returns one (n,) array per output, NaN where there is no value yet, each value
    computed from that bar and earlier ones only. `lookback(**params)` is how many leading values are NaN at
    least. `convention` names whose definition it is, smoothing, degrees of freedom and warm-up.
    """

    name: str
    title: str
    convention: str
    compute: Callable[..., tuple[Values, ...]]
    lookback: Callable[..., int | tuple[int, ...]]
    parameters: tuple[IndicatorParameter, ...] = ()
    outputs: tuple[str, ...] = ("value",)
    inputs: tuple[str, ...] = ("source",)
    coarsest: Literal["1h", "day", "month"] = "month"

    @property
    def takes_source(self) -> bool:
        """Whether it is computed on one series of the strategy's choice (close by default)."""
        return "source" in self.inputs

    def arguments(self, given: Mapping[str, float]) -> dict[str, Any]:
        """Every parameter's value: as given, else the default; whole numbers as int."""
        values = ((each, given.get(each.name, each.default)) for each in self.parameters)
        return {
            each.name: int(value) if each.bounds.integer else float(value)
            for each, value in values
            if value is not None
        }

    def lookbacks(self, arguments: Mapping[str, float]) -> tuple[int, ...]:
        """Leading values that are NaN, of each output."""
        found = self.lookback(**arguments)
        return found if isinstance(found, tuple) else (found,) * len(self.outputs)

    def on_column(
        self, column: Column, arguments: Mapping[str, float], whole: bool = False
    ) -> tuple[Values, ...]:
        """Its outputs on one ticker; bars on which an input is unknown are passed over, not spread.

        `whole` says that none is unknown, which spares the looking.
        """
        if whole:
            return self._guarded(column, arguments)
        known = np.isfinite(getattr(column, self.inputs[0]))
        for name in self.inputs[1:]:
            known = known & np.isfinite(getattr(column, name))
        if known.all():
            return self._guarded(column, arguments)
        results = []
        for values in self._guarded(column.take(known), arguments):
            spread = np.full(len(column), np.nan)
            spread[known] = values
            results.append(spread)
        return tuple(results)

    def _guarded(self, column: Column, arguments: Mapping[str, float]) -> tuple[Values, ...]:
        if len(column) <= min(self.lookbacks(arguments)):
            return tuple(np.full(len(column), np.nan) for _ in self.outputs)
        return self.compute(column, **arguments)


def count(name: str, default: int | None = None, low: int = 2, high: int = 10_000) -> IndicatorParameter:
    """A parameter that is a whole number of bars."""
    return IndicatorParameter(name, Bounds(low=low, high=high, integer=True), default)


def positive(name: str, default: float, high: float = 100) -> IndicatorParameter:
    """A parameter that is a number above zero."""
    return IndicatorParameter(name, Bounds(above=0, high=high), default)


def lagged(values: Values, bars: int) -> Values:
    """The values `bars` bars earlier, NaN at the start."""
    result = np.full(len(values), np.nan)
    result[bars:] = values[: max(len(values) - bars, 0)]
    return result


def ratio(top: Values, bottom: Values) -> Values:
    """`top / bottom`, NaN where that is no number."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.divide(top, bottom)
    return np.where(np.isfinite(result), result, np.nan)


def highest(values: Values, period: int) -> Values:
    """Largest of the last `period` values."""
    result: Values = values if period == 1 else talib.MAX(values, period)
    return result


def lowest(values: Values, period: int) -> Values:
    """Smallest of the last `period` values."""
    result: Values = values if period == 1 else talib.MIN(values, period)
    return result


def mean(values: Values, period: int) -> Values:
    """Mean of the last `period` values."""
    result: Values = values if period == 1 else talib.SMA(values, period)
    return result
