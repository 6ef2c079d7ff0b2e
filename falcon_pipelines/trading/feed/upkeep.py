"""What happens to live bars beside the loop: segment files, session files, retention; in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from falcon_pipelines.db.engine import DatabaseUnavailable, transaction
from falcon_pipelines.errors import FalconError
from falcon_pipelines.services.service import Service
from falcon_pipelines.trading.feed.retention import limit, newest_day, retire
from falcon_pipelines.trading.feed.segments import LiveKeeper

log = logging.getLogger(__name__)

SEGMENT_SECONDS = 900.0
AGAIN_SECONDS = 20.0
"""After a failure: a disk that has room again is written to soon."""
RETENTION_SECONDS = 60.0
KEEP, RETIRE = "live bars wait to be kept", "old live bars wait to be deleted"
"""What is wrong when one of the two fails; each ends with its own success."""


class Upkeep:
    """Runs one piece of work at a time; a failure is shown and tried again.

    `keeper` is None for a replay, whose bars are in the store. `worked_through` says up to which sequence number no
    reader needs the bars any more.
    """

    def __init__(
        self,
        service: Service,
        engine: Engine,
        source: str,
        keeper: LiveKeeper | None,
        worked_through: Callable[[Session], int],
        *,
        keep_sessions: int,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        self._service = service
        self._engine = engine
        self._source = source
        self._keeper = keeper
        self._worked_through = worked_through
        self._keep_sessions = keep_sessions
        self._segment_seconds = segment_seconds
        self._segments_at = time.monotonic() + segment_seconds
        self._retention_at = time.monotonic() + RETENTION_SECONDS
        self._thread: threading.Thread | None = None

    def look(self, now: int) -> None:
        """Begin what is due at the market's time `now`, unless something is still going on."""
        if self._thread is not None and self._thread.is_alive():
            return
        clock = time.monotonic()
        if self._keeper is not None and clock >= self._segments_at:
            self._segments_at = clock + self._segment_seconds
            self._begin(KEEP, lambda: self.keep(datetime.fromtimestamp(now, UTC)))
        elif clock >= self._retention_at:
            self._retention_at = clock + RETENTION_SECONDS
            self._begin(RETIRE, self.retire)

    def stop(self) -> None:
        """Waits for what is going on, and writes a last segment."""
        if self._thread is not None:
            self._thread.join(5)
        if self._keeper is not None:
            self._run(KEEP, self._last_segment)

    def _last_segment(self) -> None:
        if self._keeper is not None:
            self._keeper.write_segments()

    def keep(self, now: datetime) -> None:
        """Segments of what has come, and the files of sessions that are over. Raises FalconError."""
        if self._keeper is None:
            return
        written = self._keeper.write_segments()
        for day in self._keeper.due(now):
            log.info("minutes of %s: %s", day, self._keeper.compact(day))
        if written:
            log.info("%d live bars are in segment files", written)

    def retire(self) -> None:
        """Delete what is not needed any more, batch by batch. Raises FalconError."""
        unkept = None if self._keeper is None else self._keeper.first_unkept()
        gone = 0
        while not self._service.stopping.is_set():
            with transaction(self._engine) as session:
                newest = newest_day(session)
                if newest is None:
                    return
                through = self._worked_through(session)
                deleted = retire(session, self._source, limit(newest, self._keep_sessions, unkept, through))
            gone += deleted
            if not deleted:
                break
        if gone:
            log.info("%d old live bars deleted", gone)

    def _begin(self, what: str, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=self._run, args=(what, work), name="upkeep", daemon=True)
        self._thread.start()

    def _run(self, what: str, work: Callable[[], None]) -> None:
        try:
            work()
        except DatabaseUnavailable as error:
            # No trouble of its own: the loop tells of the database, and as soon as it is back that all is well.
            log.warning("%s: %s", what, error)
        except FalconError as error:
            self._service.trouble(what, f"{what}: {error}")
        except Exception as error:
            log.exception("upkeep failed")
            self._service.trouble(what, f"{what}: {type(error).__name__}: {error}")
        else:
            self._service.trouble(what, None)
            return
        self._again_soon(what)

    def _again_soon(self, what: str) -> None:
        soon = time.monotonic() + AGAIN_SECONDS
        if what == KEEP:
            self._segments_at = min(self._segments_at, soon)
        else:
            self._retention_at = min(self._retention_at, soon)
