"""What came of a run: bought at the open of the entry session, sold at the close of the exit session. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars.panel import Panel, session_of

Values = NDArray[np.float64]


class HorizonOpen(ValueError):
    """An outcome was asked for before its horizon closed."""


@dataclass(frozen=True)
class Outcome:
    """Returns of a pool over a horizon, as fractions; NaN where a ticker could not be bought at the open."""

    returns: Values
    benchmark: float | None
    ended_early: int


def outcome(panel: Panel, tickers: Sequence[str], benchmark: str, entry: date, exit_day: date) -> Outcome:
    """The return of each ticker from the entry session's open to the exit session's close.

    The panel must hold adjusted bars from the entry to the exit session. A ticker that stopped trading on the way
    counts with its last close, so that those who vanished are not left out; one without a bar on the entry session
    could not be bought. Raises HorizonOpen where the panel does not reach the exit session.
    """
    days = [session_of(moment) for moment in panel.timestamps]
    if not days or days[-1] < exit_day:
        raise HorizonOpen(
            f"the bars end on {days[-1] if days else 'no day'}, the horizon closes on {exit_day}"
        )
    if days[0] > entry or entry not in days:
        return Outcome(np.full(len(tickers), np.nan), None, 0)
    first, last = days.index(entry), len(days) - 1
    while days[last] > exit_day:
        last -= 1
    column = {ticker: index for index, ticker in enumerate(panel.tickers)}
    index = np.array([column.get(ticker, -1) for ticker in tickers], dtype=int)
    opened = np.where(index >= 0, panel["open"][first][index], np.nan)
    closes = panel["close"][first : last + 1]
    final = _last_known(closes)
    closed = np.where(index >= 0, final[index], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.where((opened > 0) & np.isfinite(closed), closed / opened - 1, np.nan)
    early = int(np.sum(np.isfinite(returns) & ~np.isfinite(np.where(index >= 0, closes[-1][index], np.nan))))
    own = column.get(benchmark)
    market = None
    if own is not None and np.isfinite(panel["open"][first, own]) and np.isfinite(final[own]):
        market = float(final[own] / panel["open"][first, own] - 1)
    return Outcome(returns, market, early)


def _last_known(closes: Values) -> Values:
    """The last finite value of each column."""
    result: Values = closes[-1].copy()
    for row in closes[-2::-1]:
        gaps = ~np.isfinite(result)
        if not gaps.any():
            break
        result[gaps] = row[gaps]
    return result
