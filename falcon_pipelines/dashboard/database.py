"""How a request reaches PostgreSQL: in a worker thread, in one transaction, never past a deadline."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from falcon_pipelines.db.engine import (
    DatabaseUnavailable,
    database_engine,
    snapshot,
    transaction,
    unavailable,
)
from falcon_pipelines.db.migrate import current_revision, is_of_a_later_release, newest_revision
from falcon_pipelines.errors import FalconError

Result = TypeVar("Result")

DEADLINE_SECONDS = 1.8
"""A server that hangs without closing its connections is given up on after this long: pages answer within 2 s."""
CONNECTIONS = 5
EVERYTHING = "*"
"""Told as the table that changed when changes may have been missed: read it all again."""


class DatabaseBehind(FalconError):
    """The database lacks what this code reads."""


class Database:
    """The application database as the dashboard sees it: read, and asked by inserting."""

    def __init__(self, url: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._deadline_seconds = deadline_seconds
        self._engine = database_engine(
            url,
            statement_timeout_ms=round(deadline_seconds * 900),
            pool_size=CONNECTIONS,
            pool_timeout_seconds=deadline_seconds,
        )
        self._threads: CapacityLimiter | None = None
        self.expected_revision = newest_revision()

    async def read(self, query: Callable[[Session], Result]) -> Result:
        """What `query` finds, all of it as of one moment.

        Raises DatabaseUnavailable when there is no answer in time and DatabaseBehind when a table is missing.
        """
        return await self._within_deadline(lambda: self._run(query, snapshot))

    async def write(self, work: Callable[[Session], Result]) -> Result:
        """What `work` gives back, once everything it inserted is committed, or nothing of it.

        Raises as `read` does. After a deadline it is unknown whether it was committed: ask again with the same key.
        """
        return await self._within_deadline(lambda: self._run(work, transaction))

    async def revision(self) -> str | None:
        """The schema revision, None for an empty database. Raises DatabaseUnavailable."""
        return await self._within_deadline(self._revision)

    async def require_schema(self) -> str:
        """The schema revision. Raises DatabaseUnavailable, and DatabaseBehind when another is expected."""
        found = await self.revision()
        if found is None or (found != self.expected_revision and not is_of_a_later_release(found)):
            raise DatabaseBehind(
                f"the database is at schema revision {found or 'none'}, this program expects "
                f"{self.expected_revision}; run `falcon db upgrade`"
            )
        return found

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def _run(
        self,
        work: Callable[[Session], Result],
        begin: Callable[[Engine], AbstractContextManager[Session]],
    ) -> Result:
        try:
            with begin(self._engine) as session:
                return work(session)
        except ProgrammingError as error:
            raise DatabaseBehind(
                f"the database lacks what this page needs: {str(error.orig).splitlines()[0]}; "
                "run `falcon db upgrade`"
            ) from error
        except PoolTimeout as error:
            raise DatabaseUnavailable("PostgreSQL has no free connection; try again") from error

    def _revision(self) -> str | None:
        try:
            return current_revision(self._engine)
        except OperationalError as error:
            raise unavailable(self._engine, error) from error

    async def _within_deadline(self, work: Callable[[], Result]) -> Result:
        if self._threads is None:
            self._threads = CapacityLimiter(CONNECTIONS)
        try:
            with anyio.fail_after(self._deadline_seconds):
                return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        except TimeoutError:
            raise DatabaseUnavailable(
                f"PostgreSQL did not answer within {self._deadline_seconds} s"
            ) from None
