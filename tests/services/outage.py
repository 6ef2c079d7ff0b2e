"""A database that goes away and comes back: cut off, or holding its connections without a word."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url


@contextmanager
def outage(database_url: str) -> Iterator[None]:
    """The database of that URL is out of reach for the time of the block, and every session on it has ended.

    A session that was only told to end keeps its locks until its process is given time to.
    """
    url = make_url(database_url)
    admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = :name"),
            {"name": url.database},
        )
        try:
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true"))
    admin.dispose()


@contextmanager
def hanging(database_url: str) -> Iterator[None]:
    """The server's processes of all present sessions on that database stand still for the time of the block."""
    url = make_url(database_url)
    admin = create_engine(url.set(database="postgres"))
    with admin.connect() as connection:
        query = text("SELECT pid FROM pg_stat_activity WHERE datname = :name")
        pids = connection.scalars(query, {"name": url.database}).all()
    admin.dispose()
    with standing_still(pids):
        yield


@contextmanager
def standing_still(processes: Sequence[int]) -> Iterator[None]:
    """These processes are stopped for the time of the block; one that ended meanwhile is passed over."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
