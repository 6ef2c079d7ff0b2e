"""The PostgreSQL roles of the application database, and exactly what each may do. No passwords: those are infra's.

`falcon_owner` owns the tables and migrates them. `falcon_app` is what compute connects as: it reads and writes rows.
`falcon_web` is what the dashboard connects as: it reads, asks for things by inserting, never answers them, and adds
what happened at its login.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from falcon_pipelines.db.models import Base

log = logging.getLogger(__name__)

OWNER = "falcon_owner"
APP = "falcon_app"
WEB = "falcon_web"

ASKING: dict[str, tuple[str, ...]] = {
    "requests": ("key", "kind", "payload", "requested_by"),
    "operator_commands": ("account_id", "request_key", "command", "target", "stop_price", "requested_by"),
    "decisions": ("request_key", "spec_id", "choice", "decided_by"),
    "login_events": ("kind", "name", "network", "session"),
}
"""The tables the dashboard may insert into, and the columns it may give: answers and times are not among them."""
LOGIN_COLUMNS = ("name", "password_hash", "role", "epoch", "disabled_at")
"""What the dashboard reads of users."""
APPEND_ONLY = ("manifest",)
"""Tables whose rows nobody changes."""
VERSION_TABLE = "alembic_version"

_LARGE_OBJECTS = ("lo_create(oid)", "lo_creat(integer)", "lo_from_bytea(oid, bytea)")
"""How everybody who may connect could fill the disk; Falcon stores no large objects."""

_RIGHTS_LOCK = 7_170_003
_WHOLE = ""


@dataclass(frozen=True, order=True)
class Right:
    """One privilege of a role on a table, or on one column of it when `column` is not empty."""

    role: str
    table: str
    column: str
    privilege: str


def wanted_rights() -> set[Right]:
    """Every right that falcon_app and falcon_web have; there are no others."""
    return set(_app_rights()) | set(_web_rights())


def ensure_roles(connection: Connection) -> bool:
    """Make the roles and give them exactly these rights, within the caller's transaction; whether that was possible.

    A user who neither owns the tables nor may create roles changes nothing: on a server of somebody else's the
    roles are made by whoever may.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _RIGHTS_LOCK})
    me = connection.execute(
        text("SELECT rolname, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user")
    ).one()
    if me.rolsuper or me.rolcreaterole:
        _create_missing(connection)
    present = set(connection.scalars(text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'falcon\\_%'")))
    if not {APP, WEB} <= present:
        log.warning("roles %s and %s are not there and %s may not create them", APP, WEB, me.rolname)
        return False
    if me.rolsuper and OWNER in present:
        _hand_over(connection)
    elif not _owns_all(connection):
        return False
    if _present_rights(connection) != wanted_rights() or _is_loose(connection):
        _grant(connection, with_server=me.rolsuper)
    return True


def _app_rights() -> Iterator[Right]:
    for table in Base.metadata.tables:
        for privilege in ("SELECT", "INSERT"):
            yield Right(APP, table, _WHOLE, privilege)
        if table not in APPEND_ONLY:
            yield Right(APP, table, _WHOLE, "UPDATE")
            yield Right(APP, table, _WHOLE, "DELETE")
    yield Right(APP, VERSION_TABLE, _WHOLE, "SELECT")
    for sequence in _sequences(Base.metadata.tables):
        yield Right(APP, sequence, _WHOLE, "USAGE")


def _web_rights() -> Iterator[Right]:
    for table in (*Base.metadata.tables, VERSION_TABLE):
        if table == "users":
            for column in LOGIN_COLUMNS:
                yield Right(WEB, table, column, "SELECT")
        else:
            yield Right(WEB, table, _WHOLE, "SELECT")
    for table, columns in ASKING.items():
        for column in columns:
            yield Right(WEB, table, column, "INSERT")
    for sequence in _sequences(ASKING):
        yield Right(WEB, sequence, _WHOLE, "USAGE")


def _sequences(tables: object) -> Iterator[str]:
    """The sequences behind the numbers of rows."""
    for name in tables:  # type: ignore[attr-defined]
        table = Base.metadata.tables[name]
        column = table.autoincrement_column
        if column is not None and not column.foreign_keys:
            yield f"{name}_{column.name}_seq"


def _create_missing(connection: Connection) -> None:
    for role in (OWNER, APP, WEB):
        connection.execute(
            text(
                f"DO $$ BEGIN CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS; "
                "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            )
        )


def _hand_over(connection: Connection) -> None:
    """Give what the superuser made to the owner, where that has not been done."""
    database = connection.scalar(
        text(
            "SELECT datname FROM pg_database WHERE datname = current_database() AND datdba <> "
            "(SELECT oid FROM pg_roles WHERE rolname = :owner)"
        ),
        {"owner": OWNER},
    )
    if database is not None:
        quoted = database.replace('"', '""')
        connection.execute(text(f'ALTER DATABASE "{quoted}" OWNER TO {OWNER}'))
    foreign = connection.scalars(
        text(
            "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace "
            "AND c.relkind = 'r' AND pg_get_userbyid(c.relowner) <> :owner"
        ),
        {"owner": OWNER},
    ).all()
    for table in foreign:
        connection.execute(text(f"ALTER TABLE {table} OWNER TO {OWNER}"))
    if connection.scalar(
        text("SELECT pg_get_userbyid(proowner) <> :owner FROM pg_proc WHERE proname = 'tell_change'"),
        {"owner": OWNER},
    ):
        connection.execute(text(f"ALTER FUNCTION tell_change() OWNER TO {OWNER}"))


def _owns_all(connection: Connection) -> bool:
    return not connection.scalar(
        text(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
            "AND NOT pg_has_role(current_user, relowner, 'USAGE')"
        )
    )


def _present_rights(connection: Connection) -> set[Right]:
    rows = connection.execute(
        text(
            "SELECT r.rolname, c.relname, '' AS attname, a.privilege_type FROM pg_class c, "
            "aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee "
            "WHERE c.relnamespace = 'public'::regnamespace AND r.rolname IN (:app, :web) "
            "UNION ALL "
            "SELECT r.rolname, c.relname, t.attname, a.privilege_type FROM pg_attribute t "
            "JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a JOIN pg_roles r ON r.oid = a.grantee "
            "WHERE c.relnamespace = 'public'::regnamespace AND r.rolname IN (:app, :web)"
        ),
        {"app": APP, "web": WEB},
    )
    return {Right(*row) for row in rows}


def _is_loose(connection: Connection) -> bool:
    """Whether the database itself still has the rights a new one comes with."""
    return bool(
        connection.scalar(
            text(
                "SELECT has_database_privilege(:web, current_database(), 'TEMPORARY') "
                "OR NOT has_schema_privilege(:owner, 'public', 'CREATE')"
            ),
            {"web": WEB, "owner": OWNER},
        )
    )


def _grant(connection: Connection, *, with_server: bool) -> None:
    """Take every right away and give the wanted ones; nobody sees the moment between."""
    database = connection.scalar(text("SELECT quote_ident(current_database())"))
    roles = f"{APP}, {WEB}"
    statements = [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {roles}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {roles}",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {roles}",
        f"GRANT CONNECT ON DATABASE {database} TO {roles}",
        f"REVOKE ALL ON SCHEMA public FROM PUBLIC, {roles}",
        f"GRANT USAGE ON SCHEMA public TO {roles}",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}",
    ]
    if with_server:
        statements += [f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC" for function in _LARGE_OBJECTS]
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for right in sorted(wanted_rights()):
        grouped.setdefault((right.role, right.table, right.privilege), []).append(right.column)
    for (role, table, privilege), columns in grouped.items():
        where = "" if columns == [_WHOLE] else f" ({', '.join(columns)})"
        kind = "SEQUENCE " if table.endswith("_seq") else ""
        statements.append(f"GRANT {privilege}{where} ON {kind}{table} TO {role}")
    for statement in statements:
        connection.execute(text(statement))
