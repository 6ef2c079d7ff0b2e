"""The feed's loop: takes what arrives, writes it, and sees to symbols, gaps, staleness and files in between.

One thread writes. Sources, back-fills and files have threads of their own.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from falcon_pipelines.db.engine import DatabaseUnavailable, transaction
from falcon_pipelines.services.service import Service
from falcon_pipelines.services.wakeups import Wakeups
from falcon_pipelines.trading.feed import table
from falcon_pipelines.trading.feed.arrivals import (
    Arrivals,
    Complaint,
    Connected,
    Event,
    Filled,
    FillFailed,
    Finished,
    Lost,
)
from falcon_pipelines.trading.feed.bars import MINUTE, Gate, Hours, MinuteBar
from falcon_pipelines.trading.feed.gaps import Progress, until_now
from falcon_pipelines.trading.feed.healing import Healer
from falcon_pipelines.trading.feed.metrics import Metrics
from falcon_pipelines.trading.feed.sources import EVERYTHING, Source
from falcon_pipelines.trading.feed.staleness import Judgement, judge
from falcon_pipelines.trading.feed.symbols import CHANGED_BY, counts
from falcon_pipelines.trading.feed.upkeep import Upkeep

log = logging.getLogger(__name__)

BATCH = 5_000
_WAIT_SECONDS = 0.25
_DAY_SECONDS = 86_400
_READ_AHEAD_MINUTES = 2
Symbols = Callable[[Session], Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Rules:
    """How long a silence may be, how many days back a gap is filled, how often it looks at what else there is."""

    symbols_seconds: float = 15.0
    state_seconds: float = 5.0
    stale_seconds: float = 180.0
    backfill_days: int = 7
    everything: bool = False
    stop_when_finished: bool = False


class FeedLoop:
    """One source into the table, until the service is told to stop."""

    def __init__(
        self,
        service: Service,
        engine: Engine,
        source: Source,
        arrivals: Arrivals,
        healer: Healer,
        symbols: Symbols,
        upkeep: Upkeep,
        rules: Rules,
    ) -> None:
        self._service = service
        self._engine = engine
        self._source = source
        self._arrivals = arrivals
        self._healer = healer
        self._symbols = symbols
        self._upkeep = upkeep
        self._rules = rules
        self._hours = Hours()
        self._gate = Gate(self._hours)
        self._metrics = Metrics(service.registry)
        self._wakeups = Wakeups(engine, CHANGED_BY)
        self._progress = Progress({})
        self._watched: frozenset[str] = frozenset()
        self._started = source.now()
        self._connected = False
        self._finished = False
        self._judgement = Judgement("quiet")
        self._last_message: float | None = None
        self._last_bar: int | None = None
        self._reconnect_at = 0
        self._symbols_at = 0.0
        self._state_at = 0.0
        self._unsaved: dict[str, int | None] = {}

    def run(self) -> None:
        """Until the service stops, or the replay ends. Raises MixedLiveBars."""
        if self._service.through_outages(self._prepare) is None:
            return
        self._service.ready(f"{self._source.name}: starting")
        try:
            while not self._service.stopping.is_set() and not (
                self._finished and self._rules.stop_when_finished
            ):
                self._service.alive()
                self._turn(_WAIT_SECONDS)
        finally:
            self._healer.stop()
            self._source.stop()
            self._turn(0.0)
            self._upkeep.stop()
            self._wakeups.close()
            self._save_state(stopped=True)

    def _prepare(self) -> bool:
        opens = self._session_open(self._source.now())
        with transaction(self._engine) as session:
            if opens is not None:
                table.require_one_basis(session, self._source.basis, datetime.fromtimestamp(opens, UTC))
            self._progress = Progress(table.read_cursors(session, self._source.name))
            before = table.read_feed(session, self._source.name)
        if before is not None and before.last_message_at is not None:
            self._last_message = before.last_message_at.timestamp()
        if before is not None and before.last_bar_at is not None:
            self._last_bar = int(before.last_bar_at.timestamp())
        return True

    def _turn(self, wait_seconds: float) -> None:
        bars: list[MinuteBar] = []
        for item in self._arrivals.take(BATCH, wait_seconds):
            if isinstance(item, list):
                bars += item
            else:
                self._write(bars)
                bars = []
                self._hear(item)
        self._write(bars)
        self._look_after_dropped()
        self._look_after_symbols()
        self._look_after_gaps()
        self._look_after_silence()
        if time.monotonic() >= self._state_at:
            self._state_at = time.monotonic() + self._rules.state_seconds
            self._save_state()
        self._upkeep.look(self._source.now())

    def _write(self, bars: list[MinuteBar]) -> None:
        if not bars:
            return
        self._last_message = self._arrivals.last_at or self._last_message
        before = self._gate.refused.copy()
        good = self._gate.admit(bars, self._source.now(), live=self._source.live)
        for reason, count in (self._gate.refused - before).items():
            self._metrics.refused(reason, count)
        if not good:
            return

        def insert() -> table.Written:
            with transaction(self._engine) as session:
                return table.write_bars(session, good, self._source.name, self._source.basis)

        with self._metrics.batch.time():
            result = self._service.through_outages(insert)
        if result is None:
            return  # stopping in an outage: the cursors say what is missing
        self._metrics.wrote(result)
        self._progress.written(good)
        self._last_bar = max(self._last_bar or 0, max(bar.time for bar in good))
        self._metrics.last_bar.set(self._last_bar)

    def _hear(self, event: Event) -> None:
        match event:
            case Connected(at):
                self._connected = True
                self._reconnect_at = at + int(self._rules.stale_seconds)
                self._metrics.happened("connected")
                self._service.trouble("connection", None)
                if self._source.live:
                    self._interrupted(self._tickers(), at)
            case Lost(reason):
                self._connected = False
                self._metrics.happened("connection lost")
                self._service.trouble("connection", f"{self._source.name}: {reason}")
            case Complaint(text):
                self._metrics.happened("complaint")
                log.warning("%s says: %s", self._source.name, text)
            case Filled(gaps):
                self._metrics.happened("gap filled", len(gaps))
                self._progress.filled(gaps)
                self._service.trouble("back-fill", None)
            case FillFailed(reason):
                self._metrics.happened("back-fill failed")
                self._service.trouble("back-fill", f"bars that were missed cannot be had yet: {reason}")
            case Finished():
                self._finished = True

    def _look_after_dropped(self) -> None:
        dropped = self._arrivals.dropped()
        if dropped:
            until = until_now(self._source.now()) + MINUTE
            for ticker, start in dropped.items():
                self._progress.missed(ticker, start, until)
            self._metrics.dropped(len(dropped))
            log.warning("no room for bars of %d tickers: they are asked for again", len(dropped))

    def _look_after_symbols(self) -> None:
        if time.monotonic() < self._symbols_at and not self._wakeups.wait(0):
            return
        self._symbols_at = time.monotonic() + self._rules.symbols_seconds
        try:
            with transaction(self._engine) as session:
                reasons = {} if self._rules.everything else self._symbols(session)
                wanted = EVERYTHING if self._rules.everything else frozenset(reasons)
                if wanted != self._watched:
                    table.save_symbols(session, self._source.name, reasons)
        except DatabaseUnavailable as error:
            self._service.database_away(error)
            return
        self._service.trouble("database", None)
        if wanted == self._watched:
            return
        added, self._watched = wanted - self._watched, wanted
        log.info("watching %s", "everything" if wanted == EVERYTHING else counts(reasons))
        self._metrics.symbols.set(len(wanted))
        self._progress.forget(self._progress.known - self._tickers())
        self._source.watch(wanted)
        if self._connected and wanted != EVERYTHING:
            self._interrupted(added, self._source.now())

    def _tickers(self) -> frozenset[str]:
        return self._progress.known if self._watched == EVERYTHING else self._watched

    def _interrupted(self, tickers: frozenset[str], at: int) -> None:
        if not self._source.live:
            tickers -= self._progress.known
        opens = self._session_open(at)
        self._progress.interrupted(
            tickers,
            at,
            earliest=at - self._rules.backfill_days * _DAY_SECONDS,
            unknown=until_now(at) if opens is None else opens,
            ahead=0 if self._source.live else _READ_AHEAD_MINUTES,
        )

    def _look_after_gaps(self) -> None:
        if self._healer.idle:
            due = self._progress.due(self._source.now())
            if due:
                self._healer.start(due)

    def _look_after_silence(self) -> None:
        if not self._source.live:
            return
        now = self._source.now()
        before = self._judgement
        self._judgement = judge(
            self._hours,
            now,
            self._last_message,
            watched=bool(self._watched),
            started=self._started,
            limit_seconds=self._rules.stale_seconds,
        )
        since = self._judgement.since
        if since is None:
            if before.since is not None:
                self._service.trouble("silence", None)
            return
        text = (
            f"{self._source.name}: no bars since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
        self._service.trouble("silence", text)
        if self._connected and now >= self._reconnect_at:
            self._connected = False
            self._source.reconnect("no bars came")

    def _save_state(self, *, stopped: bool = False) -> None:
        self._metrics.waiting.set(self._arrivals.held)
        self._unsaved |= self._progress.changed()
        state, detail = self._state()
        self._service.doing(f"{self._source.name}: {detail}")
        values: dict[str, Any] = {
            "basis": self._source.basis,
            "state": "stopped" if stopped else state,
            "detail": self._service.detail,
            "last_message_at": _moment(self._last_message),
            "last_bar_at": _moment(self._last_bar),
            "stale_since": _moment(self._judgement.since),
            "counts": self._metrics.totals() | {"unreadable": self._arrivals.malformed},
        }
        try:
            with transaction(self._engine) as session:
                table.save_cursors(session, self._source.name, self._unsaved)
                table.save_feed(session, self._source.name, **values)
        except DatabaseUnavailable as error:
            log.warning("the feed's state is not saved: %s", error)
            return
        self._unsaved = {}

    def _state(self) -> tuple[str, str]:
        bar = (
            "no bar yet"
            if self._last_bar is None
            else f"bars up to {_moment(self._last_bar):%Y-%m-%d %H:%M} UTC"
        )
        if self._finished:
            return "finished", f"replayed to its end, {bar}"
        if not self._source.live:
            return "replaying", bar
        if not self._connected and self._watched:
            return "connecting", "connecting"
        return self._judgement.state, bar if self._watched else "nothing to watch"

    def _session_open(self, now: int) -> int | None:
        hours = self._hours.of(now)
        return hours[0] if hours is not None and hours[0] <= now else None


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
