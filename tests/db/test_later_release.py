"""Code that a rollback brought back works on with the schema of the release after it."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from falcon_pipelines import settings
from falcon_pipelines.db.migrate import is_of_a_later_release, newest_revision, upgrade
from falcon_pipelines.local.stack import application_engine


def test_a_schema_of_a_later_release_is_used_as_it_is(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    upgrade(database_url)
    monkeypatch.setenv("FALCON_HOME", str(tmp_path))
    monkeypatch.setenv("FALCON_DATABASE_URL", database_url)
    with application_engine(settings.load()) as application, application.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    engine.dispose()


def test_only_an_unknown_revision_is_a_later_one() -> None:
    assert is_of_a_later_release("9999")
    assert not is_of_a_later_release(newest_revision())
    assert not is_of_a_later_release("0001")
    assert not is_of_a_later_release(None)
