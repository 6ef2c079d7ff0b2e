"""Waiting for a table to change instead of asking again and again: a LISTEN connection that heals itself."""

import logging
import select
import threading
import time
from collections.abc import Collection
from typing import Any

import psycopg2
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from falcon_pipelines.db.models import CHANNEL
from falcon_pipelines.services.backoff import Backoff

log = logging.getLogger(__name__)

_SLICE_SECONDS = 0.5


class Wakeups:
    """The changes of some tables. A notification only wakes: what changed is read from the tables.

    Made for one thread. While there is no connection, `wait` returns at its timeout, so a reader goes on by polling.
    """

    def __init__(self, engine: Engine, tables: Collection[str]) -> None:
        self._engine = engine
        self._tables = frozenset(tables)
        self._connection: Any = None
        self._backoff = Backoff()
        self._retry_at = 0.0

    def wait(self, seconds: float, stopping: threading.Event | None = None) -> bool:
        """Until one of the tables may have changed (True), `seconds` are over or it is time to stop (False).

        A new connection counts as a change, because one may have been missed before it.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self._connection is None and time.monotonic() >= self._retry_at and self._connect():
                return True
            left = deadline - time.monotonic()
            if stopping is not None and stopping.is_set():
                return False
            pause = max(0.0, min(left, _SLICE_SECONDS))
            if self._connection is None:
                time.sleep(pause)
            elif self._changed(pause):
                return True
            if left <= 0:
                return False

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _changed(self, seconds: float) -> bool:
        try:
            if self._connection.notifies or select.select([self._connection], [], [], seconds)[0]:
                self._connection.poll()
            told = {notice.payload for notice in self._connection.notifies}
            self._connection.notifies.clear()
        except (psycopg2.Error, OSError, ValueError) as error:
            self._lost(error)
            return False
        return not told.isdisjoint(self._tables)

    def _connect(self) -> bool:
        try:
            proxy = self._engine.raw_connection()
            connection: Any = proxy.driver_connection
            proxy.detach()
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        except (psycopg2.Error, SQLAlchemyError) as error:
            self._lost(error)
            return False
        self._connection = connection
        self._backoff.reset()
        return True

    def _lost(self, error: Exception) -> None:
        self.close()
        self._retry_at = time.monotonic() + self._backoff.pause()
        log.warning("changes are not told for now: %s", str(error).strip().splitlines()[:1])
