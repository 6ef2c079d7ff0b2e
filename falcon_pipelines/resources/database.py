"""The application database, as Dagster sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import dagster as dg
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from falcon_pipelines import settings
from falcon_pipelines.db.engine import InvalidDatabaseUrl, database_engine, snapshot, transaction


class Database(dg.ConfigurableResource):
    """Sessions on the `falcon` database; `url` defaults to FALCON_DATABASE_URL."""

    url: str | None = None

    @cached_property
    def engine(self) -> Engine:
        """One pool per process; raises InvalidDatabaseUrl when no URL is configured."""
        configured = settings.load().database_url
        url = self.url or (configured and configured.get_secret_value())
        if not url:
            raise InvalidDatabaseUrl(
                "FALCON_DATABASE_URL is not set; start Falcon with `falcon up` or set it"
            )
        return database_engine(url)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose writes are committed together, or not at all."""
        with transaction(self.engine) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session that reads everything as of one moment, and cannot write."""
        with snapshot(self.engine) as session:
            yield session
