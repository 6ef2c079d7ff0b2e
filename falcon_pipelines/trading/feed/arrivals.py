"""What a source hands over to the feed's loop: bars and events, in order, between two threads, within a bound."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.feed.gaps import Gap

_PIECE = 5_000


@dataclass(frozen=True)
class Connected:
    """The source is connected and subscribed; bars before `at` (seconds since the epoch) may have been missed."""

    at: int


@dataclass(frozen=True)
class Lost:
    """The connection is gone, or could not be made."""

    reason: str


@dataclass(frozen=True)
class Complaint:
    """The server says that something is wrong, but stays."""

    text: str


@dataclass(frozen=True)
class Filled:
    """All bars of these gaps, as far as there are any, were put before this."""

    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class FillFailed:
    """A back-fill did not work; its gaps are still open."""

    reason: str


@dataclass(frozen=True)
class Finished:
    """A replay has put its last bar."""


Event = Connected | Lost | Complaint | Filled | FillFailed | Finished
Item = list[MinuteBar] | Event


class Arrivals:
    """A queue of at most `room` bars. Events always have a place: there are few.

    `clock` is the market's, in seconds since the epoch; a live source has the world's.
    """

    def __init__(self, room: int, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.received = 0
        self.malformed = 0
        self.last_at: float | None = None
        """When bars last came from outside, by the clock."""
        self._room = room
        self._held = 0
        self._items: deque[Item] = deque()
        self._dropped: dict[str, int] = {}
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """Bars that wait to be taken."""
        return self._held

    def put(self, bars: Sequence[MinuteBar]) -> None:
        """Add bars that come from outside and cannot wait: those for which there is no room are dropped.

        Which ones is remembered, so that they can be asked for again.
        """
        with self._changed:
            self.received += len(bars)
            self.last_at = self.clock()
            fitting = max(0, self._room - self._held)
            self._add(bars[:fitting])
            for bar in bars[fitting:]:
                self._dropped[bar.ticker] = min(bar.time, self._dropped.get(bar.ticker, bar.time))
            self._changed.notify_all()

    def put_when_room(self, bars: Sequence[MinuteBar], stopping: threading.Event) -> bool:
        """Add bars of the past, which can wait until there is room; False when it is time to stop."""
        for first in range(0, len(bars), _PIECE):
            piece = bars[first : first + _PIECE]
            with self._changed:
                while self._held and self._held + len(piece) > self._room:
                    self._changed.wait(0.5)
                    if stopping.is_set():
                        return False
                self.received += len(piece)
                self._add(piece)
                self._changed.notify_all()
        return not stopping.is_set()

    def tell(self, event: Event) -> None:
        """Add an event behind the bars that were put so far."""
        with self._changed:
            self._items.append(event)
            self._changed.notify_all()

    def misread(self, count: int = 1) -> None:
        """Count messages that could not be read."""
        with self._changed:
            self.malformed += count

    def take(self, most: int, seconds: float) -> list[Item]:
        """What has arrived, waiting up to `seconds` for the first of it; about `most` bars at a time."""
        with self._changed:
            if not self._items:
                self._changed.wait(seconds)
            taken: list[Item] = []
            bars = 0
            while self._items and bars < most:
                item = self._items.popleft()
                if isinstance(item, list):
                    bars += len(item)
                taken.append(item)
            self._held -= bars
            self._changed.notify_all()
            return taken

    def dropped(self) -> dict[str, int]:
        """The time of the earliest dropped bar of each ticker since the last call."""
        with self._changed:
            found, self._dropped = self._dropped, {}
            return found

    def _add(self, bars: Sequence[MinuteBar]) -> None:
        if bars:
            self._items.append(list(bars))
            self._held += len(bars)
