"""Fills gaps in a thread of its own, one round at a time, so that live bars never wait for old ones."""

import logging
import threading
import time
from collections.abc import Sequence

from falcon_pipelines.errors import FalconError
from falcon_pipelines.services.backoff import Backoff
from falcon_pipelines.trading.feed.arrivals import Arrivals, Filled, FillFailed
from falcon_pipelines.trading.feed.gaps import Gap
from falcon_pipelines.trading.feed.sources import BackFill

log = logging.getLogger(__name__)


class Healer:
    """Puts missed bars among the arrivals, then says that it did; after a failure it pauses."""

    def __init__(self, backfill: BackFill, arrivals: Arrivals, backoff: Backoff | None = None) -> None:
        self._backfill = backfill
        self._arrivals = arrivals
        self._backoff = backoff or Backoff(first=5.0, most=120.0)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._not_before = 0.0

    @property
    def idle(self) -> bool:
        """Whether a round can be started now."""
        busy = self._thread is not None and self._thread.is_alive()
        return not busy and time.monotonic() >= self._not_before

    def start(self, gaps: Sequence[Gap]) -> None:
        """Begin a round; call it only while `idle`."""
        self._thread = threading.Thread(target=self._fill, args=(tuple(gaps),), name="back-fill", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the round; its gaps stay open."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)

    def _fill(self, gaps: tuple[Gap, ...]) -> None:
        try:
            for bars in self._backfill.minutes(gaps):
                if not self._arrivals.put_when_room(bars, self._stopping):
                    return
        except FalconError as error:
            self._failed(str(error))
        except Exception as error:
            log.exception("back-fill failed")
            self._failed(f"{type(error).__name__}: {error}")
        else:
            self._backoff.reset()
            self._arrivals.tell(Filled(gaps))

    def _failed(self, reason: str) -> None:
        self._not_before = time.monotonic() + self._backoff.pause()
        self._arrivals.tell(FillFailed(reason))
