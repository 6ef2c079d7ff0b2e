"""Whether a strategy's signals use the future, and how much past they need; found out on bars, for any spec.

Look-ahead: signals on the first t bars must equal the first t of the signals on all bars, bit for bit. Warm-up: no
entry may come before the bar that the spec says, and signals must stop depending on where the history starts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.strategies.signals import Signals, compute_signals
from falcon_pipelines.strategies.spec import Spec
from falcon_pipelines.strategies.workspace import Mask

PARTS = (
    *("entry_long", "exit_long", "entry_short", "exit_short"),
    *("stop_distance", "stop_level_long", "stop_level_short", "rank", "volatility"),
)
DECISIONS = PARTS[:4]
MAX_CUTS = 150
MIN_CUTS = 20
CELLS = 40_000_000
"""Bars times tickers that a check may go through in all: some tens of seconds."""
HISTORY_STARTS = 4


@dataclass(frozen=True)
class Difference:
    """A value that was another one before later bars arrived. `bar` is its row, `cut` how many bars were known."""

    part: str
    ticker: str
    timestamp: np.datetime64
    cut: int
    before: float
    after: float


@dataclass(frozen=True)
class LookaheadReport:
    """What was found on `bars` bars cut at `cuts` places; `differences` is empty where nothing looks ahead.

    `first_entry` is the row of the first entry, None without one. `settles_after` is the number of bars after which
    signals no longer depend on where the history starts, None where that was not reached within the bars.
    """

    bars: int
    cuts: int
    signals: int
    differences: tuple[Difference, ...]
    warm_up: int
    first_entry: int | None
    settles_after: int | None

    @property
    def passed(self) -> bool:
        """Whether nothing looks ahead and no entry comes before the warm-up is over."""
        return not self.differences and (self.first_entry is None or self.first_entry >= self.warm_up)


def check_lookahead(spec: Spec, panel: Panel, params: Mapping[str, float] | None = None) -> LookaheadReport:
    """Try the spec on bars of its timeframe: cut after every signal and at even distances, and compare."""
    concrete = spec.with_params(params)
    whole = compute_signals(concrete, panel)
    fired = np.flatnonzero(_any_signal(whole))
    cuts = _cuts(panel, fired)
    differences: list[Difference] = []
    for cut in cuts:
        differences += _differences(compute_signals(concrete, panel.rows(0, cut)), whole, panel, cut)
        if len(differences) > 20:
            break
    entries = np.flatnonzero((whole.entry_long | whole.entry_short).any(axis=1))
    return LookaheadReport(
        bars=len(panel),
        cuts=len(cuts),
        signals=len(fired),
        differences=tuple(differences),
        warm_up=whole.warm_up,
        first_entry=int(entries[0]) if len(entries) else None,
        settles_after=_settles_after(concrete, panel, whole),
    )


def _any_signal(signals: Signals) -> Mask:
    fired = signals.entry_long | signals.exit_long | signals.entry_short | signals.exit_short
    rows: Mask = np.logical_or.reduce(fired, axis=1)
    return rows


def _cuts(panel: Panel, fired: NDArray[np.int64]) -> list[int]:
    """Numbers of known bars to try: right after signals, and evenly spread; fewer on very many bars."""
    bars = len(panel)
    most = min(max(CELLS // max(bars * len(panel.tickers), 1), MIN_CUTS), MAX_CUTS)
    after = fired + 1
    if len(after) > most:
        after = after[np.linspace(0, len(after) - 1, most).astype(int)]
    spread = np.linspace(1, max(bars - 1, 1), min(most, bars)).astype(int)
    return [int(cut) for cut in np.union1d(after, spread) if 0 < cut < bars]


def _differences(early: Signals, whole: Signals, panel: Panel, cut: int) -> Iterator[Difference]:
    for part in PARTS:
        before, after = getattr(early, part), getattr(whole, part)[:cut]
        same = (before == after) | (np.isnan(before) & np.isnan(after))
        for row, column in np.argwhere(~same)[:3]:
            yield Difference(
                part=part,
                ticker=panel.tickers[column],
                timestamp=panel.timestamps[row],
                cut=cut,
                before=float(before[row, column]),
                after=float(after[row, column]),
            )


def _settles_after(spec: Spec, panel: Panel, whole: Signals) -> int | None:
    """The most bars that any of several later starts took until its decisions were those of the whole history."""
    slowest = 0
    for start in np.linspace(0, len(panel) * 2 // 3, HISTORY_STARTS + 1).astype(int)[1:]:
        late = compute_signals(spec, panel.rows(int(start), len(panel)))
        differ = np.zeros(len(panel) - start, dtype=bool)
        for part in DECISIONS:
            differ |= (getattr(late, part) != getattr(whole, part)[start:]).any(axis=1)
        rows = np.flatnonzero(differ)
        if len(rows):
            slowest = max(slowest, int(rows[-1]) + 1)
    shortest = len(panel) - len(panel) * 2 // 3
    return slowest if slowest < 0.9 * shortest else None
