"""What each database role may do, tried as that role."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from falcon_pipelines.db.commands import request_command
from falcon_pipelines.db.decisions import request_decision
from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.migrate import upgrade
from falcon_pipelines.db.models import Base, Request
from falcon_pipelines.db.requests import ask
from falcon_pipelines.db.roles import APP, ASKING, OWNER, WEB, ensure_roles
from tests.dashboard.seed import seed, seeded_database

NOT_FOR_WEB = [
    "UPDATE requests SET outcome = 'done'",
    "UPDATE users SET role = 'operator'",
    "DELETE FROM decisions",
    "DELETE FROM operator_commands",
    "DELETE FROM login_events",
    "UPDATE login_events SET kind = 'withdrawn'",
    "INSERT INTO login_events (kind, name, at) VALUES ('let_in', 'x', '2020-01-01')",
    "TRUNCATE fills",
    "INSERT INTO users (name, password_hash, role, epoch) VALUES ('x', 'x', 'operator', 0)",
    "INSERT INTO accounts (name, synthetic, opened_at, rules, memory) VALUES ('x', true, now(), '{}', '{}')",
    "INSERT INTO requests (kind, payload, requested_by, outcome) VALUES ('a', '{}', 'x', 'done')",
    "INSERT INTO requests (kind, payload, requested_by, handled_at) VALUES ('a', '{}', 'x', now())",
    "INSERT INTO operator_commands (account_id, command, requested_by, result) VALUES (1, 'pause', 'x', 'done')",
    "INSERT INTO decisions (spec_id, choice, decided_by, created_at) VALUES (1, 'approve', 'x', '2020-01-01')",
    "CREATE TABLE mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE requests ADD COLUMN mine int",
    "DROP TABLE requests",
    "CREATE ROLE mine",
    "ALTER ROLE falcon_web SUPERUSER",
    "SET ROLE falcon_app",
    "SET ROLE falcon_owner",
    "GRANT SELECT ON users TO PUBLIC",
    "SELECT created_at FROM users",
    "SELECT * FROM users",
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_shadow",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "COPY requests TO PROGRAM 'true'",
    "COPY requests TO '/tmp/requests'",
    "SELECT setval('requests_id_seq', 1)",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
]


def as_role(url: str, role: str) -> Engine:
    """An engine that connects as `role`."""
    return database_engine(url.replace("postgres@", f"{role}@"))


@pytest.fixture
def web(database_url: str) -> Iterator[Engine]:
    """The dashboard's role over seeded content."""
    upgrade(database_url)
    seed(database_url)
    engine = as_role(database_url, WEB)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("statement", NOT_FOR_WEB)
def test_the_web_role_is_refused(web_engine: Engine, statement: str) -> None:
    with (
        web_engine.connect() as connection,
        pytest.raises(DBAPIError, match=r"permission denied|must be|not own|Only"),
    ):
        connection.execute(text(statement))


@pytest.fixture(scope="module")
def web_engine(seeded_for_roles: str) -> Iterator[Engine]:
    """The dashboard's role, for statements that must change nothing."""
    engine = as_role(seeded_for_roles, WEB)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def seeded_for_roles(postgres: EmbeddedPostgres) -> str:
    """A database of this module's own."""
    url = seeded_database(postgres, "seeded_roles")
    upgrade(url)
    return url


def test_the_web_role_reads_every_table_asks_in_three_and_adds_logins(web: Engine) -> None:
    with transaction(web) as session:
        for table in set(Base.metadata.tables) - {"users"}:
            session.execute(text(f"SELECT * FROM {table} LIMIT 1")).all()
        session.execute(text("SELECT name, password_hash, role, epoch, disabled_at FROM users")).all()
        session.execute(text("LISTEN falcon_changes"))
        assert ask(session, "study_video", {"url": "https://youtu.be/x"}, "ann", key="k-1")
        assert not ask(session, "study_video", {"url": "https://youtu.be/x"}, "ann", key="k-1")
        assert request_command(session, 1, "pause", "ann", key="k-2")
        assert request_decision(session, 1, "approve", "ann", key="k-3")
        assert not request_decision(session, 1, "approve", "ann", key="k-3")
        assert session.query(Request).filter_by(key="k-1").one().handled_at is None
        session.execute(
            text("INSERT INTO login_events (kind, name, network) VALUES ('tried', 'ann', '10.0.0.1')")
        )
    assert set(ASKING) == {"requests", "operator_commands", "decisions", "login_events"}


def test_the_application_role_works_with_rows_but_changes_no_table_and_no_history(database_url: str) -> None:
    upgrade(database_url)
    seed(database_url)
    engine = as_role(database_url, APP)
    with engine.begin() as connection:
        connection.execute(text("UPDATE operator_commands SET result = 'done'"))
        connection.execute(text("SELECT * FROM users"))
    for statement in (
        "UPDATE manifest SET rows = 0",
        "DELETE FROM manifest",
        "DROP TABLE fills",
        "CREATE TABLE mine (a int)",
        "TRUNCATE fills",
        "SELECT rolpassword FROM pg_authid",
    ):
        with (
            engine.connect() as connection,
            pytest.raises(DBAPIError, match=r"permission denied|must be owner"),
        ):
            connection.execute(text(statement))
    upgrade(str(engine.url.render_as_string(hide_password=False)))
    engine.dispose()


def test_the_owner_migrates_and_gives_back_rights_that_were_lost_or_added(database_url: str) -> None:
    owner = as_role(database_url, OWNER)
    with owner.begin() as connection:
        connection.execute(text(f"GRANT DELETE ON fills TO {WEB}"))
        connection.execute(text(f"REVOKE SELECT ON orders FROM {WEB}"))
        assert ensure_roles(connection)
    web = as_role(database_url, WEB)
    with web.connect() as connection:
        connection.execute(text("SELECT * FROM orders"))
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text("DELETE FROM fills"))
    web.dispose()
    owner.dispose()
