"""What the feed asks of a source of live bars."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.feed.gaps import Gap

EVERYTHING = frozenset({"*"})
"""Watch every ticker there is."""


class Source(Protocol):
    """Brings bars into `Arrivals` from threads of its own, and reports what becomes of its connection.

    A `live` source runs with the clock and needs its gaps filled; the other, a replay, misses nothing.
    """

    @property
    def name(self) -> str: ...

    @property
    def basis(self) -> str: ...

    @property
    def live(self) -> bool: ...

    def now(self) -> int:
        """Its market's time, in seconds since the epoch."""
        ...

    def watch(self, tickers: frozenset[str]) -> None:
        """From now on these, and no others; connects when that was not done yet."""
        ...

    def reconnect(self, reason: str) -> None:
        """The connection says nothing any more: make a new one."""
        ...

    def stop(self) -> None:
        """Close the connection and end its threads."""
        ...


class BackFill(Protocol):
    """Answers for minutes that were missed."""

    def minutes(self, gaps: Sequence[Gap]) -> Iterator[list[MinuteBar]]:
        """The bars of these gaps in order of time, session minutes only. Raises SourceError."""
        ...
