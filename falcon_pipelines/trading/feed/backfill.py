"""Asking for minutes that were missed: Massive's and Alpaca's REST, and the bar store for a replay."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from falcon_pipelines.bars.massive_rest import MassiveRest
from falcon_pipelines.bars.watchlist import AlpacaFeed
from falcon_pipelines.trading.feed.bars import MINUTE, MinuteBar
from falcon_pipelines.trading.feed.gaps import Gap, session_windows

_ALPACA_TICKERS = 100
_MASSIVE_AT_ONCE = 8
_PIECE_MINUTES = 30


@dataclass(frozen=True)
class MassiveBackFill:
    """One request a ticker and session, some at a time."""

    rest: MassiveRest

    def minutes(self, gaps: Sequence[Gap]) -> Iterator[list[MinuteBar]]:
        """Raises SourceError."""
        with ThreadPoolExecutor(_MASSIVE_AT_ONCE) as pool:
            for (start, until), tickers in _by_session(gaps):

                def one(ticker: str, start: int = start, until: int = until) -> pl.DataFrame:
                    return self.rest.minutes(ticker, _time(start), _time(until - 1))

                yield from _in_time_order(list(pool.map(one, tickers)), gaps)


@dataclass(frozen=True)
class AlpacaBackFill:
    """One request for a hundred tickers and a session."""

    rest: AlpacaFeed

    def minutes(self, gaps: Sequence[Gap]) -> Iterator[list[MinuteBar]]:
        """Raises SourceError."""
        for (start, until), tickers in _by_session(gaps):
            parts = [
                self.rest.between(
                    tickers[first : first + _ALPACA_TICKERS], "minute", _time(start), _time(until - 1)
                )
                for first in range(0, len(tickers), _ALPACA_TICKERS)
            ]
            yield from _in_time_order(parts, gaps)


@dataclass(frozen=True)
class StoredBackFill:
    """What a replay asks for: `read` gives the stored minutes of tickers in a time."""

    read: Callable[[Sequence[str], int, int], pl.DataFrame]

    def minutes(self, gaps: Sequence[Gap]) -> Iterator[list[MinuteBar]]:
        """Raises StoreDamaged."""
        for (start, until), tickers in _by_session(gaps):
            yield from _in_time_order([self.read(tickers, start, until)], gaps)


def _by_session(gaps: Sequence[Gap]) -> Iterator[tuple[tuple[int, int], list[str]]]:
    """The session time that the gaps span together, oldest first, with the tickers that miss some of it."""
    if not gaps:
        return
    for start, until in session_windows(min(gap.start for gap in gaps), max(gap.until for gap in gaps)):
        missing = [gap for gap in gaps if gap.start < until and gap.until > start]
        if missing:
            first = max(start, min(gap.start for gap in missing))
            last = min(until, max(gap.until for gap in missing))
            yield (first, last), sorted({gap.ticker for gap in missing})


def _in_time_order(parts: Iterable[pl.DataFrame], gaps: Sequence[Gap]) -> Iterator[list[MinuteBar]]:
    """The rows that lie in the gap of their ticker, a few market minutes at a time."""
    bounds = {gap.ticker: gap for gap in gaps}
    rows = [
        MinuteBar(ticker, nanoseconds // 1_000_000_000, open_, high, low, close, volume, late=True)
        for part in parts
        for ticker, volume, open_, close, high, low, nanoseconds in part.select(
            "ticker", "volume", "open", "close", "high", "low", "window_start"
        ).iter_rows()
    ]
    wanted = sorted(
        (bar for bar in rows if bounds[bar.ticker].start <= bar.time < bounds[bar.ticker].until),
        key=lambda bar: (bar.time, bar.ticker),
    )
    piece: list[MinuteBar] = []
    for bar in wanted:
        if piece and bar.time - piece[0].time >= _PIECE_MINUTES * MINUTE:
            yield piece
            piece = []
        piece.append(bar)
    if piece:
        yield piece


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
