"""The bars of a panel, packed so that each ticker's own bars follow one another; indicators on them are kept.

A day on which a ticker was halted is no bar of it: its averages, lags and crosses look at its own bars.
"""

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.strategies.indicators import INDICATORS, Column
from falcon_pipelines.strategies.sessions import minutes_from_open, session_days
from falcon_pipelines.strategies.timeframes import coarser

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
IndicatorKey = tuple[str, tuple[tuple[str, float], ...], str]
Scalar = TypeVar("Scalar", np.float64, np.bool_)
CACHE_BYTES = 256 * 2**20


def indicator_key(fn: str, arguments: Mapping[str, float], source_key: str) -> IndicatorKey:
    """What tells an indicator's outputs from all others on the same bars."""
    return (fn, tuple(sorted(arguments.items())), source_key)


def all_finite(values: Array) -> bool:
    """Whether every value is a number: a finite sum tells it at a third of the cost of looking at each."""
    return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())


class Workspace:
    """Packed bars of one panel with a bounded cache of indicators, for computing many variants of a strategy.

    Packed arrays are (T, N): the bars of each ticker moved up over the rows where it has none, then NaN.
    """

    def __init__(self, panel: Panel, timeframe: str) -> None:
        self.panel = panel
        self.timeframe = timeframe
        self.shape = panel["close"].shape
        prices = [panel[name] for name in ("open", "high", "low", "close")]
        self.gapless = all(all_finite(price) for price in prices)
        self.counts = np.full(self.shape[1], self.shape[0])
        """Number of bars of each ticker."""
        self._rows: NDArray[np.int64] | None = None
        if not self.gapless:
            present = np.logical_and.reduce([np.isfinite(price) for price in prices])
            self.counts = present.sum(axis=0)
            self._rows = np.argsort(~present, axis=0, kind="stable")
        self._fields: dict[str, Array] = {}
        self._finite: dict[str, bool] = {}
        self._cache: OrderedDict[IndicatorKey, tuple[Array, ...]] = OrderedDict()
        self._cached_bytes = 0
        self._coarser: dict[str, tuple[Workspace, NDArray[np.int64]]] = {}

    def field(self, name: str) -> Array:
        """One bar field, packed."""
        if name not in self._fields:
            self._fields[name] = self.packed(self.panel[name])
        return self._fields[name]

    def packed(self, values: Array) -> Array:
        """Values on the panel's rows, moved to each ticker's own bars."""
        if self._rows is not None:
            values = np.take_along_axis(values, self._rows, axis=0)
            values[np.arange(self.shape[0])[:, None] >= self.counts] = np.nan
        return np.asfortranarray(values, dtype=np.float64)

    def unpacked(self, values: "NDArray[Scalar]", absent: float) -> "NDArray[Scalar]":
        """Packed values back on the panel's rows; `absent` where a ticker has no bar."""
        if self._rows is None:
            return np.ascontiguousarray(values)
        result = np.full(self.shape, absent, dtype=values.dtype)
        np.put_along_axis(result, self._rows, values, axis=0)
        result[~self._present] = absent
        return result

    @cached_property
    def _present(self) -> Mask:
        packed: Mask = np.arange(self.shape[0])[:, None] < self.counts
        if self._rows is None:
            return packed
        result = np.zeros(self.shape, dtype=bool)
        np.put_along_axis(result, self._rows, packed, axis=0)
        return result

    @cached_property
    def unknown(self) -> Array:
        """(T, N) of NaN, shared by all signals that have no such values; one number in memory, not to be written."""
        return np.broadcast_to(np.float64(np.nan), self.shape)

    @cached_property
    def zero(self) -> Array:
        """(T, N) of zeros, shared likewise."""
        return np.broadcast_to(np.float64(0.0), self.shape)

    @cached_property
    def never(self) -> Mask:
        """(T, N) of False, shared likewise."""
        return np.zeros(self.shape, dtype=bool)

    @cached_property
    def _sessions(self) -> NDArray[np.int64]:
        return session_days(self.panel.timestamps)

    @cached_property
    def _minutes(self) -> NDArray[np.int64]:
        return minutes_from_open(self.panel.timestamps)

    def column(self, index: int, source: Array) -> Column:
        """The bars of one ticker; `source` is packed."""
        bars = int(self.counts[index])
        rows = slice(0, bars) if self._rows is None else self._rows[:bars, index]

        def load(name: str) -> NDArray[Any]:
            if name == "session":
                return self._sessions[rows]
            if name == "minute":
                return self._minutes[rows]
            return self.field(name)[:bars, index]

        return Column(np.ascontiguousarray(source[:bars, index]), load)

    def kept(self, key: IndicatorKey) -> tuple[Array, ...] | None:
        """The outputs of an indicator computed before, None where they are not there (any more)."""
        found = self._cache.get(key)
        if found is not None:
            self._cache.move_to_end(key)
        return found

    def _whole(self, name: str) -> bool:
        """Whether a bar field has no unknown value; what is computed on a source is looked at elsewhere."""
        if name not in self._finite:
            self._finite[name] = name == "source" or all_finite(self.field(name))
        return self._finite[name]

    def indicator(
        self, fn: str, arguments: Mapping[str, float], source: Array, source_key: str
    ) -> tuple[Array, ...]:
        """The outputs of an indicator on all tickers, packed; kept for the next time it is asked for."""
        key = indicator_key(fn, arguments, source_key)
        found = self.kept(key)
        if found is not None:
            return found
        indicator = INDICATORS[fn]
        whole = all_finite(source) and all(self._whole(name) for name in indicator.inputs)
        outputs = tuple(np.empty(self.shape, order="F") for _ in indicator.outputs)
        for index in range(self.shape[1]):
            column = self.column(index, source)
            for output, values in zip(outputs, indicator.on_column(column, arguments, whole), strict=True):
                output[: len(values), index] = values
                output[len(values) :, index] = np.nan
        self._remember(key, outputs)
        return outputs

    def coarser(self, timeframe: str) -> "Workspace":
        """A workspace on bars of a coarser timeframe, complete ones and a last one that may not be."""
        if timeframe not in self._coarser:
            panel, rows = coarser(self.panel, self.timeframe, timeframe)
            self._coarser[timeframe] = (Workspace(panel, timeframe), rows)
        return self._coarser[timeframe][0]

    def from_coarser(self, timeframe: str, values: Array) -> Array:
        """Packed values of a coarser timeframe, on each of this one's bars: those of the last complete
        bar."""
        other = self.coarser(timeframe)
        _, rows = self._coarser[timeframe]
        spread = other.unpacked(values, np.nan)
        last = np.maximum.accumulate(np.where(other._present, np.arange(len(spread))[:, None], -1), axis=0)
        index = np.where(rows[:, None] >= 0, last[np.maximum(rows, 0)], -1)
        found = np.take_along_axis(spread, np.maximum(index, 0), axis=0)
        return self.packed(np.where(index >= 0, found, np.nan))

    def _remember(self, key: IndicatorKey, outputs: tuple[Array, ...]) -> None:
        self._cache[key] = outputs
        self._cached_bytes += sum(output.nbytes for output in outputs)
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= sum(output.nbytes for output in dropped)
