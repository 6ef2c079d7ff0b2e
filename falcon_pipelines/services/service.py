"""A long-running process: ready, alive, degraded, stopping, and whom it tells of each.

It tells systemd (readiness, watchdog), the database (heartbeats that pages show) and loopback (/healthz, /metrics).
The service's own work is a loop that says `alive` on every turn.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import FrameType, TracebackType
from typing import Any, Literal, TypeVar

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from sqlalchemy import Engine

from falcon_pipelines import __version__
from falcon_pipelines.db.engine import DatabaseUnavailable, transaction
from falcon_pipelines.db.heartbeats import beat
from falcon_pipelines.services import systemd
from falcon_pipelines.services.backoff import Backoff
from falcon_pipelines.services.monitor import Monitor

log = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
STALL_SECONDS = 60.0
HANG_SECONDS = 10.0
"""A heartbeat that takes longer: the database holds its connections and does not answer."""
Result = TypeVar("Result")
State = Literal["ok", "degraded", "stopping"]


class Service:
    """Context manager around the work of one service.

    `stopping` is set by SIGTERM and SIGINT, where it is entered in the main thread; the loop sees it and ends.
    `registry` takes the service's own metrics. Raises MonitorPortTaken on entering; no `port`, no HTTP server.
    /healthz answers 200 from `ready` on, and 503 while a turn of the loop takes longer than `stall_seconds`; then
    systemd's watchdog is not fed either. A database that hangs is no fault of the loop that waits for it: the service is
    degraded then, and `without_database` says what holds meanwhile.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        stall_seconds: float = STALL_SECONDS,
        beat_seconds: float = BEAT_SECONDS,
        hang_seconds: float = HANG_SECONDS,
        without_database: str = "",
    ) -> None:
        self.name = name
        self.stopping = threading.Event()
        self.registry = CollectorRegistry()
        self.monitor: Monitor | None = None
        self._engine = engine
        self._address = host, port
        self._stall_seconds = stall_seconds
        self._beat_seconds = beat_seconds
        self._hang_seconds = hang_seconds
        self._without_database = without_database
        self._beating_since: float | None = None
        self._started_at = datetime.now(UTC)
        self._alive_at = time.monotonic()
        self._ready = False
        self._lock = threading.Lock()
        self._troubles: dict[str, str] = {}
        self._doing: str | None = None
        self._ended = threading.Event()
        self._told = threading.Event()
        self._pulse = threading.Thread(target=self._beat_until_ended, name="pulse", daemon=True)
        self._watchdog = threading.Thread(target=self._feed_watchdog, name="watchdog", daemon=True)
        ProcessCollector(registry=self.registry)
        degraded = Gauge("falcon_degraded", "1 while something is wrong", registry=self.registry)
        degraded.set_function(lambda: float(self.state == "degraded"))

    def __enter__(self) -> "Service":
        host, port = self._address
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop)
        if port is not None:
            self.monitor = Monitor(host, port, self.registry, self._health)
        self._pulse.start()
        self._watchdog.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        systemd.tell("STOPPING=1")
        self._ended.set()
        self._told.set()
        self._pulse.join(self._beat_seconds + 5)
        if self.monitor is not None:
            self.monitor.close()

    @property
    def state(self) -> State:
        """What the heartbeat says now."""
        if self.stopping.is_set():
            return "stopping"
        return "degraded" if self._troubles or self._database_hangs() else "ok"

    @property
    def detail(self) -> str | None:
        """Everything that is wrong, or else what the service is doing."""
        hangs = self._database_hangs()
        with self._lock:
            troubles = [hangs, *self._troubles.values()] if hangs else list(self._troubles.values())
            return "; ".join(troubles) or self._doing

    def ready(self, doing: str | None = None) -> None:
        """Tell systemd that the service does its work now."""
        self.doing(doing)
        self._ready = True
        systemd.tell("READY=1", systemd.status(doing or "ready"))
        self._told.set()

    def alive(self) -> None:
        """The loop has come round once more."""
        self._alive_at = time.monotonic()

    def doing(self, text: str | None) -> None:
        """What is shown while nothing is wrong."""
        with self._lock:
            self._doing = text

    def trouble(self, subject: str, detail: str | None) -> None:
        """Something is wrong with `subject`, or with None it is well again; the heartbeat says so at once."""
        with self._lock:
            before = self._troubles.get(subject)
            if detail is None:
                self._troubles.pop(subject, None)
            else:
                self._troubles[subject] = detail
        if (before is None) != (detail is None):
            level = logging.INFO if detail is None else logging.WARNING
            log.log(level, "%s: %s", subject, detail or "well again")
            self._told.set()

    def database_away(self, error: DatabaseUnavailable) -> None:
        """The database does not answer; `trouble("database", None)` ends it."""
        self.trouble("database", self._and_what_holds(str(error)))

    def through_outages(self, work: Callable[[], Result], *, backoff: Backoff | None = None) -> Result | None:
        """What `work` returns, tried until the database answers; None when the service has to stop first.

        `work` must be a whole transaction. Every error but DatabaseUnavailable is the caller's.
        """
        pauses = backoff or Backoff(most=5.0)
        while True:
            try:
                result = work()
            except DatabaseUnavailable as error:
                self.database_away(error)
                self.alive()
                if self.stopping.wait(pauses.pause()):
                    return None
            else:
                self.trouble("database", None)
                return result

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()
        self._told.set()

    def _and_what_holds(self, problem: str) -> str:
        return f"{problem}; {self._without_database}" if self._without_database else problem

    def _database_hangs(self) -> str | None:
        since = self._beating_since
        if since is None or (silent := time.monotonic() - since) <= self._hang_seconds:
            return None
        return self._and_what_holds(f"PostgreSQL has not answered for {silent:.0f} s")

    def _stalled(self) -> bool:
        return time.monotonic() - self._alive_at > self._stall_seconds and not self._database_hangs()

    def _health(self) -> tuple[bool, Mapping[str, Any]]:
        alive = not self._stalled()
        return alive and self._ready, {
            "service": self.name,
            "version": __version__,
            "alive": alive,
            "ready": self._ready,
            "state": self.state,
            "detail": self.detail,
            "started_at": self._started_at.isoformat(),
        }

    def _feed_watchdog(self) -> None:
        """In a thread of its own: a database that hangs must not get the service killed."""
        interval = systemd.watchdog_seconds()
        while interval is not None and not self._ended.is_set():
            if not self._stalled():
                systemd.tell("WATCHDOG=1", systemd.status(self.detail or self.state))
            self._ended.wait(interval)

    def _beat_until_ended(self) -> None:
        while not self._ended.is_set():
            self._told.clear()
            self._beat()
            self._told.wait(self._beat_seconds)
        self._beat()

    def _beat(self) -> None:
        state, detail = self.state, self.detail
        if self._stalled():
            state, detail = "degraded", f"no turn of its loop for {self._stall_seconds:.0f} s"
        self._beating_since = time.monotonic()
        try:
            with transaction(self._engine) as session:
                beat(session, self.name, self._started_at, state, detail)
        except DatabaseUnavailable as error:
            log.warning("no heartbeat: %s", error)
        finally:
            self._beating_since = None
