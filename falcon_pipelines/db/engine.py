"""Engines and sessions for the application database."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session

from falcon_pipelines.errors import FalconError, InputError

DRIVER = "postgresql+psycopg2"
"""Named in every URL: SQLAlchemy and dagster-postgres disagree on the default."""


class InvalidDatabaseUrl(InputError):
    """The database URL cannot be parsed or is not PostgreSQL's."""


class DatabaseUnavailable(FalconError):
    """PostgreSQL does not answer."""


def database_engine(
    url: str,
    *,
    statement_timeout_ms: int | None = None,
    pool_size: int = 5,
    pool_timeout_seconds: float = 30,
) -> Engine:
    """An engine that notices a dead server within seconds instead of hanging.

    Raises InvalidDatabaseUrl. Nothing is connected yet.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidDatabaseUrl("FALCON_DATABASE_URL is not a database URL") from None
    if not parsed.drivername.startswith("postgres"):
        raise InvalidDatabaseUrl(f"FALCON_DATABASE_URL must be a postgresql URL, not {parsed.drivername}")
    options = [] if statement_timeout_ms is None else [f"-c statement_timeout={statement_timeout_ms}"]
    return create_engine(
        parsed.set(drivername=DRIVER),
        pool_pre_ping=True,
        executemany_mode="values_plus_batch",  # one round trip for many rows, upserts included
        pool_size=pool_size,
        pool_timeout=pool_timeout_seconds,
        connect_args={
            "connect_timeout": 2,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 8000,  # keepalives say nothing while something sent waits for its receipt
            "options": " ".join(["-c timezone=UTC", *options]),
        },
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session whose writes are committed together, or not at all.

    Raises DatabaseUnavailable when the server cannot be reached.
    """
    try:
        with Session(engine) as session, session.begin():
            yield session
    except OperationalError as error:
        raise unavailable(engine, error) from error


@contextmanager
def snapshot(engine: Engine) -> Iterator[Session]:
    """A session that reads everything as of one moment, whatever is committed meanwhile, and cannot write.

    Raises DatabaseUnavailable when the server cannot be reached.
    """
    with transaction(engine) as session:
        session.connection(
            execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        yield session


def unavailable(engine: Engine, error: OperationalError) -> DatabaseUnavailable:
    """The one-line form of a connection error; names the server, never the password."""
    url = engine.url
    where = f"{url.host or url.query.get('host') or 'the local socket'}:{url.port or 5432}/{url.database}"
    first = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
    return DatabaseUnavailable(f"PostgreSQL at {where} is not available: {first}; is it running?")
