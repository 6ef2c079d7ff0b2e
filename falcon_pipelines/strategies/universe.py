"""Which tickers a spec is run on, chosen without knowing what came later."""

from datetime import date

import numpy as np

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.errors import InputError
from falcon_pipelines.strategies.spec import MostLiquid, Spec

SELECTION_SESSIONS = 60
DEFAULT_UNIVERSE = MostLiquid(liquid=50)


class TooShort(InputError):
    """There are too few sessions to choose a universe and still test on something."""


def most_traded(panel: Panel, count: int) -> tuple[str, ...]:
    """The `count` tickers with the most dollars traded over the panel, most first; ties by ticker."""
    dollars = np.nansum(panel["close"] * panel["volume"], axis=0)
    order = sorted(range(len(panel.tickers)), key=lambda i: (-dollars[i], panel.tickers[i]))
    return tuple(panel.tickers[i] for i in order[:count] if dollars[i] > 0)


def universe_bars(
    spec: Spec, store: BarStore, version: str, start: date | None = None, end: date | None = None
) -> Panel:
    """The adjusted bars a spec is run on, pinned to `version`.

    A spec that names no tickers gets the most traded ones of the first SELECTION_SESSIONS sessions, and is run
    on what comes after those, so that the choice knows nothing of the test. Raises TooShort and the store's errors.
    """
    sessions = [
        s
        for s in store.sessions("day", version)
        if (start is None or s >= start) and (end is None or s <= end)
    ]
    wanted = spec.universe or DEFAULT_UNIVERSE
    if isinstance(wanted, MostLiquid):
        if len(sessions) <= SELECTION_SESSIONS:
            raise TooShort(
                f"{len(sessions)} sessions are too few: {SELECTION_SESSIONS} go into choosing the most traded tickers"
            )
        before = store.panel(
            None, sessions[0], sessions[SELECTION_SESSIONS - 1], ("close", "volume"), version=version
        )
        tickers = most_traded(before, int(wanted.liquid))
        sessions = sessions[SELECTION_SESSIONS:]
    else:
        tickers = wanted.tickers
    if not sessions:
        raise TooShort(f"{store.root} has no sessions in the range asked for")
    return store.panel(tickers, sessions[0], sessions[-1], adjust="all", as_of=sessions[-1], version=version)
