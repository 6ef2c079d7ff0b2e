"""One trader at a time: an advisory lock that lasts as long as its connection."""

from typing import Any

import psycopg2
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from falcon_pipelines.db.engine import DatabaseUnavailable, unavailable

TRADER_LOCK = 0x46414C434F4E54
"""'FALCONT'."""


class SingleTrader:
    """Holds the lock, or knows that another process does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None

    def held(self) -> bool:
        """Whether this process is the one; tries to become it. Raises DatabaseUnavailable.

        Where the connection was lost the lock is lost with it, so it is asked for again before anything is written.
        Beneath it, each account's row is locked and its cursor compared in every transaction.
        """
        try:
            if self._connection is not None:
                with self._connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
                return True
            proxy = self._engine.raw_connection()
            connection: Any = proxy.driver_connection
            proxy.detach()
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", (TRADER_LOCK,))
                (got,) = cursor.fetchone()
        except OperationalError as error:
            self.release()
            raise unavailable(self._engine, error) from error
        except (psycopg2.Error, SQLAlchemyError) as error:
            self.release()
            reason = str(error).strip().splitlines()[0]
            raise DatabaseUnavailable(
                f"PostgreSQL is not available to hold the trader's lock: {reason}"
            ) from error
        if not got:
            connection.close()
            return False
        self._connection = connection
        return True

    def release(self) -> None:
        """Let another process trade."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
