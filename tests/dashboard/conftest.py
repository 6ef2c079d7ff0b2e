"""A dashboard over a database of the test's own, empty or seeded."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from falcon_pipelines.db.embedded import EmbeddedPostgres
from tests.dashboard.clients import open_client
from tests.dashboard.seed import seeded_database


@pytest.fixture
def empty(database_url: str) -> Iterator[TestClient]:
    """A client of a dashboard whose database has tables but no rows."""
    with open_client(database_url) as client:
        yield client


@pytest.fixture(scope="session")
def seeded_url(postgres: EmbeddedPostgres) -> str:
    """A database with believable content, for tests that only read it."""
    return seeded_database(postgres, "seeded")


@pytest.fixture
def seeded(seeded_url: str) -> Iterator[TestClient]:
    """A client of a dashboard over believable content."""
    with open_client(seeded_url) as client:
        yield client
