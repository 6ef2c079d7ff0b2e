"""Tells open pages which tables changed and whether the database answers: one LISTEN connection, fanned out to browsers."""

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from falcon_pipelines.dashboard.database import EVERYTHING
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.db.models import CHANNEL
from falcon_pipelines.errors import FalconError

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
PULSE_SECONDS = 2.0
"""How often the database is asked whether it is there: one that hangs closes no connection."""
PATIENCE_SECONDS = 2.0
"""How long an answer may take."""
HEARTBEAT_SECONDS = 4.0
"""How often a page hears from this process at least; it gives up on a silent stream after three times as long."""
WATCHERS = 200


class TooManyWatchers(FalconError):
    """More browsers watch than one process serves."""


class DatabaseSilent(FalconError):
    """The database holds its connection open and does not answer."""


class _Watcher:
    """What one browser has not been told yet."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self.news = asyncio.Event()


class ChangeFeed:
    """The tables of one database, as they change, and whether it answers."""

    def __init__(self, url: str) -> None:
        self._engine = database_engine(url, pool_size=1)
        self._watchers: set[_Watcher] = set()
        self._told: list[Callable[[str], None]] = []
        self._answers = False
        self._closed = False

    async def run(self) -> None:
        """Listen until cancelled; connects again whenever the connection is lost or silent."""
        while True:
            try:
                await self._listen()
            except (psycopg2.Error, SQLAlchemyError, DatabaseSilent) as error:
                log.warning("no live updates for now: %s", str(error).strip().splitlines()[0])
            self._set_answers(False)
            await asyncio.sleep(RETRY_SECONDS)

    def on_change(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with each table that changes, and with EVERYTHING when changes may have been missed."""
        self._told.append(tell)

    def require_room(self) -> None:
        """Raises TooManyWatchers when no further browser can be served."""
        if len(self._watchers) >= WATCHERS:
            raise TooManyWatchers(f"{WATCHERS} pages are open already; close some")

    async def watch(self) -> AsyncIterator[str]:
        """Server-sent events for one browser until it leaves.

        `changes`: the tables that changed, as a JSON list. `beat`, every few seconds and whenever that changes: whether
        the database answers, `up` or `down`.
        """
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield f"retry: {int(RETRY_SECONDS * 1000)}\n\n{self._beat()}"
            said = self._answers
            while not self._closed:
                with suppress(TimeoutError):
                    await asyncio.wait_for(watcher.news.wait(), HEARTBEAT_SECONDS)
                heard = watcher.news.is_set()
                watcher.news.clear()
                tables, watcher.tables = watcher.tables, set()
                if not heard or said != self._answers:
                    said = self._answers
                    yield self._beat()
                if tables:
                    yield f"event: changes\ndata: {json.dumps(sorted(tables))}\n\n"
        finally:
            self._watchers.discard(watcher)

    def close(self) -> None:
        """End every stream, so that the process can stop."""
        self._closed = True
        self._wake()

    def _beat(self) -> str:
        return f"event: beat\ndata: {'up' if self._answers else 'down'}\n\n"

    def _set_answers(self, answers: bool) -> None:
        if answers != self._answers:
            self._answers = answers
            self._wake()

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.news.set()

    def _tell(self, table: str) -> None:
        for tell in self._told:
            tell(table)
        for watcher in self._watchers:
            watcher.tables.add(table)
        self._wake()

    async def _listen(self) -> None:
        connection = await asyncio.to_thread(self._connect)
        try:
            await _ask(connection, f"LISTEN {CHANNEL}")
            self._set_answers(True)
            self._tell(EVERYTHING)
            while True:
                await self._hear(connection)
                await _ask(connection, "SELECT 1")
        finally:
            connection.close()

    async def _hear(self, connection: Any) -> None:
        """Pass on what the database tells, until it is time to ask whether it is still there."""
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[None] = loop.create_future()

        def readable() -> None:
            try:
                connection.poll()
            except psycopg2.Error as error:
                if not lost.done():
                    lost.set_exception(error)
                return
            self._pass_on(connection)

        self._pass_on(connection)
        descriptor = connection.fileno()
        loop.add_reader(descriptor, readable)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(lost, PULSE_SECONDS)
        finally:
            loop.remove_reader(descriptor)

    def _pass_on(self, connection: Any) -> None:
        while connection.notifies:
            self._tell(connection.notifies.pop(0).payload)

    def _connect(self) -> Any:
        proxy = self._engine.raw_connection()
        connection: Any = proxy.driver_connection
        proxy.detach()
        connection.autocommit = True
        return connection


async def _ask(connection: Any, statement: str) -> None:
    """Execute and wait for the answer, in a thread. Raises DatabaseSilent, the connection being of no more use."""

    def execute() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    asking = asyncio.ensure_future(asyncio.to_thread(execute))
    try:
        done, _ = await asyncio.wait({asking}, timeout=PATIENCE_SECONDS)
    except asyncio.CancelledError:
        _hang_up(connection)
        raise
    if not done:
        _hang_up(connection)
        with suppress(psycopg2.Error):
            await asking
        raise DatabaseSilent(f"PostgreSQL has not answered for {PATIENCE_SECONDS:.0f} s")
    asking.result()


def _hang_up(connection: Any) -> None:
    """Wake up the thread that waits for an answer: closing the descriptor under it would not."""
    with suppress(psycopg2.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
