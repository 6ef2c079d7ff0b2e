"""Many accounts in one compiled call: the kernel run over a batch of signals, and each run boiled down to a few
figures. What a sweep is made of; a single backtest keeps everything instead."""

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.book import as_read
from falcon_pipelines.backtesting.kernel import (
    BarArrays,
    SignalArrays,
    compiled,
    simulate_account,
)
from falcon_pipelines.backtesting.tallies import boil_down

if TYPE_CHECKING:
    from falcon_pipelines.strategies.signals import SignalTable

FIGURES = ("final_equity", "mean_return", "deviation", "max_drawdown", "closed_trades")
"""Columns of what `evaluate` returns: mean and standard deviation (ddof 1) are of simple bar returns."""


def _entry_point(sources: str) -> Callable[..., Any]:
    def evaluate(
        bars: BarArrays,
        stacks: SignalArrays,
        which: NDArray[np.int64],
        parameters: NDArray[np.void],
        first: int,
        last: int,
        cash: float,
        returns: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Figures (K, 5) of K accounts over the rows from `first` to before `last` of the same (T, N) bars.

        `stacks` holds the distinct signal arrays, each field (M, T, N); row k of `which` (K, 9) says which of
        them account k acts on; `parameters` is (K,) of dtype PARAMETERS. `returns` (K, last - first) is filled with
        bar returns and must come as zeros; (0, 0) leaves them out.
        """
        len(sources)
        figures = np.zeros((len(which), 5))
        nothing = np.empty(0)
        for k in range(len(which)):
            w = which[k]
            signals = SignalArrays(
                stacks.entry_long[w[0]],
                stacks.exit_long[w[1]],
                stacks.entry_short[w[2]],
                stacks.exit_short[w[3]],
                stacks.stop_distance[w[4]],
                stacks.stop_level_long[w[5]],
                stacks.stop_level_short[w[6]],
                stacks.rank[w[7]],
                stacks.volatility[w[8]],
            )
            orders, _ = simulate_account(bars, signals, parameters[k], first, last, cash)
            boil_down(
                orders,
                bars.filled,
                first,
                last,
                cash,
                returns[k] if len(returns) > 0 else nothing,
                figures[k],
            )
        return figures

    return evaluate


evaluate = compiled(_entry_point)

BATCH = 500
BATCH_BYTES = 32 * 2**20
"""A batch of signals holds at most so many runs and bytes (or one run)."""

_arrays_of = attrgetter(*SignalArrays._fields)


class Batch:
    """Signals of some runs as `evaluate` takes them, arrays that follow each other unchanged kept once.

    Filled by `add`, closed, evaluated, cleared and filled again: its buffers stay, which saves the system the
    work of finding the memory anew.
    """

    def __init__(self) -> None:
        self._buffers: list[NDArray[Any] | None] = [None] * len(SignalArrays._fields)
        self.clear()

    def clear(self) -> None:
        """Forget all runs."""
        fields = len(SignalArrays._fields)
        self._first: list[NDArray[Any] | None] = [None] * fields
        self._last: list[NDArray[Any] | None] = [None] * fields
        self._counts = [0] * fields
        self._bytes = 0
        self._rows: list[tuple[int, ...]] = []
        self._parameters: dict[int, NDArray[np.void]] = {}
        self._chosen: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def full(self) -> bool:
        """Whether to evaluate what there is before more is added."""
        return len(self._rows) >= BATCH or self._bytes >= BATCH_BYTES

    def add(self, signals: "SignalTable", parameters: NDArray[np.void]) -> None:
        """One more run."""
        last = self._last
        for field, array in enumerate(_arrays_of(signals)):
            if array is not last[field]:
                self._keep(field, array)
        self._rows.append(tuple(self._counts))
        self._parameters[id(parameters)] = parameters
        self._chosen.append(id(parameters))

    def _keep(self, field: int, array: NDArray[Any]) -> None:
        count = self._counts[field]
        if count == 0:
            self._first[field] = array
        else:
            buffer = self._buffers[field]
            if buffer is None or buffer.shape[1:] != array.shape or count == len(buffer):
                room = min(BATCH, BATCH_BYTES // max(array.nbytes, 1) + 2)
                buffer = self._buffers[field] = np.empty((max(room, count + 1), *array.shape), array.dtype)
            if count == 1:
                buffer[0] = self._first[field]
            buffer[count] = array
        self._last[field] = array
        self._counts[field] = count + 1
        self._bytes += array.nbytes

    def close(self) -> None:
        """Make `stacks`, `which` and `parameters` of what was added."""
        stacks: list[NDArray[Any]] = []
        for first, buffer, count in zip(self._first, self._buffers, self._counts, strict=True):
            if count == 1:
                stacks.append(as_read(cast(NDArray[Any], first))[None])
            else:
                stack = cast(NDArray[Any], buffer)[:count]
                stacks.append(stack.view(np.uint8) if stack.dtype == np.bool_ else stack)
        self.stacks = SignalArrays(*stacks)
        self.which = np.array(self._rows, dtype=np.int64) - 1
        places = {key: place for place, key in enumerate(self._parameters)}
        distinct = np.concatenate(list(self._parameters.values()))
        self.parameters = distinct[[places[key] for key in self._chosen]]
