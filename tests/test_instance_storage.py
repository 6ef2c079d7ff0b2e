"""Dagster's storage keeps its connections, and a database that was restarted costs nobody an error."""

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance
from dagster_postgres import PostgresRunStorage
from sqlalchemy import Engine, create_engine, text


def runs_of(instance: DagsterInstance) -> PostgresRunStorage:
    """The part of the storage that keeps runs."""
    assert isinstance(instance._run_storage, PostgresRunStorage)
    return instance._run_storage


@pytest.fixture
def admin(dagster_instance: DagsterInstance) -> Iterator[Engine]:
    """The same database, seen from outside."""
    engine = create_engine(runs_of(dagster_instance).postgres_url, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def ask(instance: DagsterInstance) -> None:
    """One question to each of the three storages."""
    instance.get_runs_count()
    instance.get_asset_records()
    instance.all_instigator_state()


def sessions(admin: Engine) -> set[int]:
    with admin.connect() as connection:
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return set(connection.scalars(text(query)))


def end_sessions(admin: Engine) -> None:
    with admin.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


@pytest.mark.parametrize("webserver", [False, True])
def test_connections_are_kept(dagster_instance: DagsterInstance, admin: Engine, webserver: bool) -> None:
    if webserver:
        dagster_instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=3600, max_overflow=10)
    ask(dagster_instance)
    before = sessions(admin)
    for _ in range(5):
        ask(dagster_instance)
    assert before == sessions(admin)
    assert 1 <= len(before) <= 3


@pytest.mark.parametrize("webserver", [False, True])
def test_the_first_question_after_a_restart_of_the_database_is_answered(
    dagster_instance: DagsterInstance, admin: Engine, webserver: bool
) -> None:
    if webserver:
        dagster_instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=3600, max_overflow=10)
    ask(dagster_instance)
    before = sessions(admin)
    end_sessions(admin)
    ask(dagster_instance)
    assert not before & sessions(admin)


def test_a_click_does_not_keep_the_database_working_for_long(
    dagster_instance: DagsterInstance, admin: Engine
) -> None:
    dagster_instance.optimize_for_webserver(statement_timeout=1234, pool_recycle=3600, max_overflow=10)
    with runs_of(dagster_instance).connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "1234ms"


def test_the_connections_end_with_the_instance(dagster_instance: DagsterInstance, admin: Engine) -> None:
    ask(dagster_instance)
    dagster_instance.dispose()
    # The storage of schedules is not told.
    assert len(sessions(admin)) <= 1
