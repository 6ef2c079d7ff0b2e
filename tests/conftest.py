"""Shared fixtures: a real PostgreSQL with a migrated database for each test, and the real bars."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from falcon_pipelines.db.embedded import EmbeddedPostgres, embedded_postgres
from falcon_pipelines.db.migrate import upgrade

LEAN = Path(__file__).resolve().parents[2] / "shared" / "data" / "lean"
LEAN_FLATFILES = Path(__file__).resolve().parents[2] / "shared" / "tools" / "lean_flatfiles.py"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for this test process, with a migrated template database."""
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as server:
        upgrade(server.url("falcon"))
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """URL of an empty, migrated database of this test's own."""
    name = f"test_{next(_numbers)}"
    admin = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE falcon"))
    yield postgres.url(name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def lean() -> Path:
    """The folder of real bars; tests that need it skip where it is absent."""
    if not LEAN.is_dir():
        pytest.skip(f"real bars are not at {LEAN}")
    return LEAN
