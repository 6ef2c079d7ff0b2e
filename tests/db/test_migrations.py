"""The migrations make exactly what the models say, and every table tells of its changes."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.db.migrate import current_revision, newest_revision, upgrade
from falcon_pipelines.db.models import Base
from tests.conftest import new_database


def test_the_migrated_schema_is_the_models(database_url: str) -> None:
    engine = database_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_every_table_has_the_trigger_that_wakes_listeners(database_url: str) -> None:
    engine = database_engine(database_url)
    with engine.connect() as connection:
        watched = connection.scalars(
            text("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'tell_change'")
        ).all()
    assert set(watched) == set(Base.metadata.tables)


def test_upgrading_twice_changes_nothing(database_url: str) -> None:
    upgrade(database_url)
    assert current_revision(database_engine(database_url)) == newest_revision()


@pytest.mark.parametrize("template", ["template1"])
def test_an_empty_database_is_brought_to_the_newest_schema(postgres: EmbeddedPostgres, template: str) -> None:
    with new_database(postgres, template) as url:
        engine = database_engine(url)
        assert current_revision(engine) is None
        upgrade(url)
        assert current_revision(engine) == newest_revision()
        engine.dispose()
