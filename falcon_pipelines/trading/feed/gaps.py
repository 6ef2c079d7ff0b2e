"""Up to where each ticker's bars are complete, and which minutes must be asked for again; no I/O.

Times are seconds since the epoch. A gap is the minutes from `start` up to, not including, `until`.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from falcon_pipelines.bars.calendar import first_session, last_session, session_open_close, sessions
from falcon_pipelines.trading.feed.bars import MINUTE, MinuteBar

SETTLE_SECONDS = 5
"""After a minute has ended, until it is asked for: servers need a moment to build it."""
SLACK_SECONDS = 5
"""A subscription may take this long to work: the minutes it began in are asked for too."""


class Gap(NamedTuple):
    """Minutes of a ticker that may be missing."""

    ticker: str
    start: int
    until: int


class Progress:
    """What is known of each watched ticker."""

    def __init__(self, cursors: Mapping[str, int]) -> None:
        self._newest = dict(cursors)
        self._open: dict[str, Gap] = {}
        self._changed: set[str] = set()

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What may be missing, by ticker."""
        return tuple(self._open[ticker] for ticker in sorted(self._open))

    @property
    def known(self) -> frozenset[str]:
        """The tickers of which a bar was ever written."""
        return frozenset(self._newest)

    def cursor(self, ticker: str) -> int | None:
        """Start of the last minute before which none is missing."""
        gap = self._open.get(ticker)
        newest = self._newest.get(ticker)
        if gap is None or newest is None:
            return newest if gap is None else None
        return min(newest, gap.start - MINUTE)

    def written(self, bars: Iterable[MinuteBar]) -> None:
        """These bars are in the table."""
        for bar in bars:
            if bar.time > self._newest.get(bar.ticker, 0):
                self._newest[bar.ticker] = bar.time
                self._changed.add(bar.ticker)

    def missed(self, ticker: str, start: int, until: int) -> None:
        """Minutes from `start` up to `until` may be missing, beside those that may be already."""
        before = self._open.get(ticker)
        if before is not None:
            start, until = min(start, before.start), max(until, before.until)
        if start < until:
            self._open[ticker] = Gap(ticker, start, until)
            self._changed.add(ticker)

    def interrupted(
        self, tickers: Iterable[str], now: int, *, earliest: int, unknown: int, ahead: int = 0
    ) -> None:
        """The connection begins now: what came after each cursor may be missing, back to `earliest` at most.

        `unknown` is where to start for a ticker of which there is no bar yet; `ahead` is how many minutes of what
        comes next may have been read without it.
        """
        until = until_now(now) + ahead * MINUTE
        for ticker in tickers:
            newest = self._newest.get(ticker)
            self.missed(ticker, unknown if newest is None else max(newest + MINUTE, earliest), until)

    def due(self, now: int) -> tuple[Gap, ...]:
        """The gaps whose last minute is complete and can be asked for."""
        return tuple(gap for gap in self.gaps if gap.until + SETTLE_SECONDS <= now)

    def filled(self, gaps: Iterable[Gap]) -> None:
        """Everything in these gaps has been asked for and written."""
        for gap in gaps:
            still = self._open.get(gap.ticker)
            if still is None:
                continue
            self._changed.add(gap.ticker)
            if still.start >= gap.start and still.until <= gap.until:
                del self._open[gap.ticker]
                # Minutes without trades have no bar, but they are known to be empty now.
                self._newest[gap.ticker] = max(self._newest.get(gap.ticker, 0), gap.until - MINUTE)
            elif still.start >= gap.start:
                self._open[gap.ticker] = Gap(gap.ticker, max(gap.until, still.start), still.until)

    def forget(self, tickers: Iterable[str]) -> None:
        """These are not watched any more: their gaps stay unasked."""
        for ticker in tickers:
            self._open.pop(ticker, None)

    def changed(self) -> dict[str, int | None]:
        """The cursors that moved since the last call."""
        moved, self._changed = self._changed, set()
        return {ticker: self.cursor(ticker) for ticker in moved}


def until_now(now: int) -> int:
    """The first minute that a subscription made now is sure to bring."""
    return (now + SLACK_SECONDS) // MINUTE * MINUTE


def session_windows(start: int, until: int) -> tuple[tuple[int, int], ...]:
    """The parts of that time that lie in regular sessions, early closes included."""
    if start >= until:
        return ()
    first = max(datetime.fromtimestamp(start, UTC).date() - timedelta(days=1), first_session())
    last = min(datetime.fromtimestamp(until, UTC).date(), last_session())
    windows = []
    for session in sessions(first, last):
        opens, closes = (int(moment.timestamp()) for moment in session_open_close(session))
        low, high = max(start, opens), min(until, closes)
        if low < high:
            windows.append((low, high))
    return tuple(windows)
