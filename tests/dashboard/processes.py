"""Dashboards as processes of their own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from tests.dashboard.clients import as_web
from tests.services.outage import standing_still

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_dashboard(
    url: str | None,
    port: int,
    home: Path | None = None,
    *,
    login: str = "off",
    key: str = "k" * 40,
    errors: int | None = None,
) -> subprocess.Popen[str]:
    """A dashboard process with nothing of the caller's settings; without a login unless told.

    What it logs goes to the test's own stderr. With `errors=subprocess.PIPE` it is the caller's to read: a full pipe
    would hold the dashboard up.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FALCON_")}
    environment["FALCON_DASHBOARD_PORT"] = str(port)
    environment["FALCON_DASHBOARD_LOGIN"] = login
    environment["FALCON_SESSION_KEY"] = key
    if home is not None:
        environment["FALCON_HOME"] = str(home)
    if url is not None:
        environment["FALCON_DATABASE_URL"] = as_web(url)
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "falcon_pipelines.dashboard.server"],
        cwd=ROOT,
        env=environment,
        stderr=errors,
        text=True,
    )


def wait_until_ready(port: int) -> int:
    """Status of /readyz once the process listens."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the dashboard never listened")


@contextmanager
def frozen(postgres: EmbeddedPostgres, url: str) -> Iterator[None]:
    """Meanwhile the server and the connections to this database hang: open, and without an answer."""
    engine = database_engine(url)
    with engine.connect() as connection:
        processes = [
            postgres.pid,
            *connection.scalars(
                text(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid()"
                )
            ),
        ]
    engine.dispose()
    with standing_still(processes):
        yield
