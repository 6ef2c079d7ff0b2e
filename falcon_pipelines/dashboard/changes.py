"""Tells open pages which tables changed: one LISTEN connection, fanned out to every browser that watches."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from falcon_pipelines.dashboard.database import EVERYTHING
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.db.models import CHANNEL
from falcon_pipelines.errors import FalconError

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
HEARTBEAT_SECONDS = 15.0
WATCHERS = 200


class TooManyWatchers(FalconError):
    """More browsers watch than one process serves."""


class _Watcher:
    """What one browser has not been told yet."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self.news = asyncio.Event()


class ChangeFeed:
    """The tables of one database, as they change."""

    def __init__(self, url: str) -> None:
        self._engine = database_engine(url, pool_size=1)
        self._watchers: set[_Watcher] = set()
        self._told: list[Callable[[str], None]] = []
        self._closed = False

    async def run(self) -> None:
        """Listen until cancelled; connects again whenever the connection is lost."""
        while True:
            try:
                await self._listen()
            except (psycopg2.Error, SQLAlchemyError) as error:
                log.warning("no live updates for now: %s", str(error).strip().splitlines()[0])
            await asyncio.sleep(RETRY_SECONDS)

    def on_change(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with each table that changes, and with EVERYTHING when changes may have been missed."""
        self._told.append(tell)

    def require_room(self) -> None:
        """Raises TooManyWatchers when no further browser can be served."""
        if len(self._watchers) >= WATCHERS:
            raise TooManyWatchers(f"{WATCHERS} pages are open already; close some")

    async def watch(self) -> AsyncIterator[str]:
        """Server-sent events for one browser until it leaves: the tables that changed, as a JSON list."""
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield f"retry: {int(RETRY_SECONDS * 1000)}\n\n"
            while not self._closed:
                try:
                    await asyncio.wait_for(watcher.news.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                watcher.news.clear()
                tables, watcher.tables = watcher.tables, set()
                if tables:
                    yield f"event: changes\ndata: {json.dumps(sorted(tables))}\n\n"
        finally:
            self._watchers.discard(watcher)

    def close(self) -> None:
        """End every stream, so that the process can stop."""
        self._closed = True
        for watcher in self._watchers:
            watcher.news.set()

    def _tell(self, table: str) -> None:
        for tell in self._told:
            tell(table)
        for watcher in self._watchers:
            watcher.tables.add(table)
            watcher.news.set()

    async def _listen(self) -> None:
        connection = await asyncio.to_thread(self._connect)
        lost = asyncio.get_running_loop().create_future()

        def readable() -> None:
            try:
                connection.poll()
            except psycopg2.Error as error:
                if not lost.done():
                    lost.set_exception(error)
                return
            while connection.notifies:
                self._tell(connection.notifies.pop(0).payload)

        descriptor = connection.fileno()
        asyncio.get_running_loop().add_reader(descriptor, readable)
        try:
            self._tell(EVERYTHING)
            await lost
        finally:
            asyncio.get_running_loop().remove_reader(descriptor)
            connection.close()

    def _connect(self) -> Any:
        proxy = self._engine.raw_connection()
        connection: Any = proxy.driver_connection
        proxy.detach()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        return connection
