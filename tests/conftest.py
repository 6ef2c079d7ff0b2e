"""Shared fixtures: a real PostgreSQL with a migrated database for each test, and the real bars."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dagster import DagsterInstance
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from falcon_pipelines.db.embedded import EmbeddedPostgres, embedded_postgres
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.migrate import upgrade

ROOT = Path(__file__).resolve().parents[1]
LEAN = ROOT.parent / "shared" / "data" / "lean"
LEAN_FLATFILES = ROOT.parent / "shared" / "tools" / "lean_flatfiles.py"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for this test process, with a migrated template database.

    Its folder is not one of pytest's: another pytest that starts closes those to the server's own user.
    """
    with (
        tempfile.TemporaryDirectory(prefix="falcon-test-", ignore_cleanup_errors=True) as folder,
        embedded_postgres(Path(folder)) as server,
    ):
        _without_waiting_for_the_disk(server)
        upgrade(server.url("falcon"))
        yield server


def _without_waiting_for_the_disk(server: EmbeddedPostgres) -> None:
    """No test cuts the power: what its server keeps need not survive that."""
    admin = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    admin.dispose()


@contextmanager
def new_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """URL of a database made from `template`, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    admin = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield server.url(name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """URL of an empty, migrated database of this test's own."""
    with new_database(postgres, template="falcon") as url:
        yield url


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """A transaction on that database, committed when the test ends well."""
    engine = database_engine(database_url)
    with transaction(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture(scope="session")
def lean() -> Path:
    """The folder of real bars; tests that need it skip where it is absent."""
    if not LEAN.is_dir():
        pytest.skip(f"real bars are not at {LEAN}")
    return LEAN


@pytest.fixture
def dagster_instance(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterInstance]:
    """A Dagster instance as `dagster.yaml` describes it, on a PostgreSQL database of this test's own."""
    with new_database(postgres, template="template1") as url:
        home = tmp_path / "dagster_home"
        home.mkdir()
        shutil.copy(ROOT / "dagster.yaml", home / "dagster.yaml")
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        monkeypatch.setenv("FALCON_DAGSTER_DATABASE_URL", url)
        with DagsterInstance.get() as instance:
            yield instance
