"""Which tickers a spec is run on, chosen without knowing what came later: one rule for files and for the store."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from falcon_pipelines.bars.panel import Frequency, Panel
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.errors import InputError
from falcon_pipelines.strategies.sessions import session_days
from falcon_pipelines.strategies.spec import MostLiquid, Spec
from falcon_pipelines.strategies.timeframes import at_timeframe

SELECTION_SESSIONS = 60
DEFAULT_UNIVERSE = MostLiquid(liquid=50)
_EPOCH = date(1970, 1, 1)


class TooShort(InputError):
    """There are too few sessions to choose a universe and still test on something."""


class Split(NamedTuple):
    """Sessions that choose the tickers, both ends included, and the first session of the test."""

    choose_from: date
    choose_to: date
    test_from: date


def split_sessions(sessions: Sequence[date], start: date | None) -> Split:
    """Where choosing the most traded tickers ends and testing begins, among sessions in order.

    The SELECTION_SESSIONS sessions before `start` choose (fewer, where there are fewer). Without a start, or with
    none before it, the first SELECTION_SESSIONS choose and the test is on what comes after them: the choice never
    sees the test. Raises TooShort where nothing is left to test on.
    """
    before = [session for session in sessions if start is not None and session < start]
    cut = len(before) if before else SELECTION_SESSIONS
    if cut >= len(sessions):
        what = f"none from {start} on" if before else f"the first {SELECTION_SESSIONS} choose the tickers"
        raise TooShort(
            f"{len(sessions)} sessions are too few for a universe of the most traded: {what}; name the tickers instead"
        )
    chosen = sessions[max(0, cut - SELECTION_SESSIONS) : cut]
    return Split(chosen[0], chosen[-1], sessions[cut])


def most_traded(panel: Panel, count: int) -> tuple[str, ...]:
    """The `count` tickers with the most dollars traded over the panel, most first; ties by ticker."""
    dollars = np.nansum(panel["close"] * panel["volume"], axis=0)
    order = sorted(range(len(panel.tickers)), key=lambda i: (-dollars[i], panel.tickers[i]))
    return tuple(panel.tickers[i] for i in order[:count] if dollars[i] > 0)


def most_traded_before(panel: Panel, count: int, start: date | None) -> tuple[tuple[str, ...], date]:
    """The tickers of a panel of everything that `split_sessions` chooses by, and the first session of the test."""
    days = session_days(panel.timestamps)
    sessions = [date.fromordinal(_EPOCH.toordinal() + int(day)) for day in np.unique(days)]
    split = split_sessions(sessions, start)
    first, last = ((session - _EPOCH).days for session in split[:2])
    rows = np.searchsorted(days, first), np.searchsorted(days, last, side="right")
    return most_traded(panel.rows(int(rows[0]), int(rows[1])), count), split.test_from


def universe_tickers(
    spec: Spec, store: BarStore, version: str, start: date | None = None, end: date | None = None
) -> tuple[tuple[str, ...], date | None]:
    """The tickers a spec is about, and the first session they may be tested on: `start`, unless choosing moved it.

    A spec that names none gets the most traded ones, which day bars choose (see `split_sessions`). Raises TooShort
    and the store's errors.
    """
    wanted = spec.universe or DEFAULT_UNIVERSE
    if not isinstance(wanted, MostLiquid):
        return wanted.tickers, start
    days = [day for day in store.sessions("day", version) if end is None or day <= end]
    split = split_sessions(days, start)
    before = store.panel(None, split.choose_from, split.choose_to, ("close", "volume"), version=version)
    return most_traded(before, int(wanted.liquid)), split.test_from


def universe_bars(
    spec: Spec,
    store: BarStore,
    version: str,
    start: date | None = None,
    end: date | None = None,
    tickers: Sequence[str] | None = None,
) -> Panel:
    """The adjusted bars a spec is run on, of its own timeframe, pinned to `version`.

    `tickers` replaces the spec's universe (see `universe_tickers`). Raises TooShort and the store's errors.
    """
    frequency: Frequency = "day" if spec.timeframe == "day" else "minute"
    sessions = [day for day in store.sessions(frequency, version) if end is None or day <= end]
    names: tuple[str, ...]
    if tickers is not None:
        names = tuple(tickers)
    else:
        names, start = universe_tickers(spec, store, version, start, end)
    sessions = [day for day in sessions if start is None or day >= start]
    if not sessions:
        raise TooShort(f"{store.root}: no {frequency} bars from {start or 'the start'} to {end or 'the end'}")
    panel = store.panel(
        names,
        sessions[0],
        sessions[-1],
        adjust="all",
        as_of=sessions[-1],
        version=version,
        frequency=frequency,
    )
    return at_timeframe(panel, spec.timeframe)
