"""Stored minutes as if they happened now, at any speed: a Source without a network.

Bars keep their own times. A bar comes when its minute is over on the replay's clock; nights and weekends are skipped.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.flat_files import CSV_SCHEMA
from falcon_pipelines.bars.reading import StoreDamaged
from falcon_pipelines.bars.store import BarStore, NoBars
from falcon_pipelines.trading.feed.arrivals import Arrivals, Connected, Finished, Lost
from falcon_pipelines.trading.feed.bars import MINUTE, MinuteBar
from falcon_pipelines.trading.feed.sources import EVERYTHING

_WINDOW_MINUTES = 30
_COLUMNS = ("ticker", "volume", "open", "close", "high", "low", "timestamp")


class Replay:
    """A Source over the sessions from `start` to `end` that have minute bars.

    `speed` is market seconds a second, 0 for as fast as they are taken. It goes on from `resume_at`, that minute
    included. `room` says whether the reader keeps up; while it does not, the replay waits. Raises NoBars.
    """

    name = "replay"
    live = False

    def __init__(
        self,
        store: BarStore,
        arrivals: Arrivals,
        *,
        start: date | None = None,
        end: date | None = None,
        speed: float = 60.0,
        resume_at: int | None = None,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._version = store.current_version()
        self._entries = store.log(self._version).sessions("minute")
        self._sessions = [
            session
            for session in self._entries
            if (start is None or session >= start) and (end is None or session <= end)
        ]
        if not self._sessions:
            raise NoBars(f"{store.root} has no minute bars to replay; run `falcon ingest minute` first")
        self.basis = self._entries[self._sessions[0]].basis
        self._arrivals = arrivals
        self._speed = speed
        self._resume_at = resume_at
        self._room = room
        self._wanted: frozenset[str] = frozenset()
        self._now = int(session_open_close(self._sessions[0])[0].timestamp())
        if resume_at is not None:
            self._now = max(self._now, resume_at)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def first_open(self) -> datetime:
        """When the first session to replay opens."""
        return session_open_close(self._sessions[0])[0]

    def now(self) -> int:
        return self._now

    def watch(self, tickers: frozenset[str]) -> None:
        self._wanted = tickers
        if self._thread is None and tickers:
            self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
            self._thread.start()

    def reconnect(self, reason: str) -> None:
        """There is no connection."""

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(10)

    def stored(self, tickers: Sequence[str], start: int, until: int) -> pl.DataFrame:
        """The stored minutes of `tickers` that start in that time, in flat-file columns. Raises StoreDamaged."""
        first, last = (datetime.fromtimestamp(second, UTC).date() for second in (start, until))
        parts = [
            self._read(session, start, until, frozenset(tickers))
            for session in self._entries
            if first <= session <= last
        ]
        if not parts:
            return pl.DataFrame(schema=CSV_SCHEMA)
        table = pl.concat(parts).with_columns(pl.col("timestamp").cast(pl.Int64))
        return table.rename({"timestamp": "window_start"})

    def _run(self) -> None:
        self._arrivals.tell(Connected(self._now))
        try:
            for session in self._sessions:
                if not self._replay(session):
                    return
        except StoreDamaged as error:
            self._arrivals.tell(Lost(str(error)))
            return
        self._arrivals.tell(Finished())

    def _replay(self, session: date) -> bool:
        opens, closes = (int(moment.timestamp()) for moment in session_open_close(session))
        if self._resume_at is not None and closes <= self._resume_at:
            return True
        begin = opens if self._resume_at is None else max(opens, self._resume_at)
        started = time.monotonic()
        place = begin
        while place < closes:
            until = min(place + _WINDOW_MINUTES * MINUTE, closes)
            wanted = self._wanted
            for minute, bars in self._minutes(session, place, until, wanted):
                if self._wanted is not wanted:
                    until = minute  # read again from here, with the tickers that are wanted now
                    break
                over = minute + MINUTE
                if not self._wait_until(started + (over - begin) / self._speed if self._speed else 0.0):
                    return False
                self._now = over
                if not self._arrivals.put_when_room(bars, self._stopping):
                    return False
            place = until
        self._now = max(self._now, closes)
        return not self._stopping.is_set()

    def _wait_until(self, moment: float) -> bool:
        while not self._stopping.is_set():
            left = moment - time.monotonic()
            if left > 0:
                self._stopping.wait(min(left, 1.0))
            elif self._room():
                return True
            else:
                self._stopping.wait(0.05)
        return False

    def _minutes(
        self, session: date, start: int, until: int, tickers: frozenset[str]
    ) -> Iterator[tuple[int, list[MinuteBar]]]:
        """The bars of each minute that has any, in order of time, then ticker."""
        rows = self._read(session, start, until, tickers).sort("timestamp", "ticker")
        current: list[MinuteBar] = []
        for ticker, volume, open_, close, high, low, nanoseconds in rows.with_columns(
            pl.col("timestamp").cast(pl.Int64)
        ).iter_rows():
            at = nanoseconds // 1_000_000_000
            if current and current[0].time != at:
                yield current[0].time, current
                current = []
            current.append(MinuteBar(ticker, at, open_, high, low, close, volume))
        if current:
            yield current[0].time, current

    def _read(self, session: date, start: int, until: int, tickers: frozenset[str]) -> pl.DataFrame:
        path = self._store.root / self._entries[session].path
        first, last = (datetime.fromtimestamp(second, UTC) for second in (start, until))
        moment = pl.col("timestamp")
        wanted = (moment >= first) & (moment <= last - timedelta(microseconds=1))
        if tickers != EVERYTHING:
            wanted &= pl.col("ticker").is_in(sorted(tickers))
        try:
            return pl.scan_parquet(path).filter(wanted).select(_COLUMNS).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise StoreDamaged(f"{path}: cannot be read ({reason}); restore it from the backup") from error
