"""Dagster's own PostgreSQL storage, over connections that are kept and known to be alive before they are used.

The library opens a connection for every statement (over TLS that is most of a run's time once it has hundreds of
partitions), except in its web server, which keeps one and finds out that it is dead when somebody clicks.
"""

from typing import Any, Self

from dagster._serdes import ConfigurableClassData
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from sqlalchemy import Engine, create_engine

_KEPT = 1
_AT_ONCE = 20
_KEPT_SECONDS = 300


def _engine(url: str, statement_timeout_ms: int | None = None) -> Engine:
    options = (
        {} if statement_timeout_ms is None else {"options": f"-c statement_timeout={statement_timeout_ms}"}
    )
    return create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
        pool_size=_KEPT,
        max_overflow=_AT_ONCE,
        pool_recycle=_KEPT_SECONDS,
        connect_args=options,
    )


class _Pooled:
    """Mixed into one of the library's three storages, in the place of its ways to connect."""

    postgres_url: str
    _engine: Engine

    def keeping(self) -> Self:
        """This storage, from now on over connections that are kept."""
        self._engine = _engine(self.postgres_url)
        return self

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Nobody's click makes the database work for longer than this."""
        self._engine.dispose()
        self._engine = _engine(self.postgres_url, statement_timeout)


class _Runs(_Pooled, PostgresRunStorage):
    """Runs, tags, heartbeats of daemons."""

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


class _Events(_Pooled, PostgresEventLogStorage):
    """What happened in runs, and to assets."""

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


class _Schedules(_Pooled, PostgresScheduleStorage):
    """Ticks of schedules and sensors."""


class PooledPostgresStorage(DagsterPostgresStorage):
    """`storage: {custom: ...}` of dagster.yaml; configured as the library's own."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data)
        self._run_storage = _Runs(postgres_url, should_autocreate_tables=False).keeping()
        self._event_log_storage = _Events(postgres_url, should_autocreate_tables=False).keeping()
        self._schedule_storage = _Schedules(postgres_url, should_autocreate_tables=False).keeping()

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """As Dagster makes it; the address is all that is configured."""
        return cls(config_value["postgres_url"], inst_data=inst_data)
