"""One database for all tests of the client, emptied before each: creating one per test takes longer than the test."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, delete, text

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models.llm import LlmCall, LlmReply


@pytest.fixture(scope="module")
def shared_engine(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    """An engine on a migrated database of this module's own."""
    admin = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE llm_tests TEMPLATE falcon"))
    engine = database_engine(postgres.url("llm_tests"))
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE llm_tests WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def engine(shared_engine: Engine) -> Engine:
    """The shared engine, its tables of calls and replies empty."""
    with transaction(shared_engine) as session:
        session.execute(delete(LlmCall))
        session.execute(delete(LlmReply))
    return shared_engine
