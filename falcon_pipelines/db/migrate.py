"""Bring the application database to the newest schema, and its roles to their rights."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.db.roles import ensure_roles

_SCRIPTS = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config


def newest_revision() -> str:
    """The revision this code expects."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise LookupError(f"no migrations in {_SCRIPTS}")
    return head


def current_revision(engine: Engine) -> str | None:
    """The revision the database is at; None when it is empty."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_of_a_later_release(revision: str | None) -> bool:
    """Whether a database's revision is one this code does not know yet; revisions are numbers in one line.

    Migrations are compatible with the release before them, so code that is behind works on, and changes nothing.
    """
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return revision is not None and revision not in known and revision > max(known)


def upgrade(url: str) -> None:
    """Migrate to the newest revision, in one transaction; safe to run twice and at once.

    A database that a later release has migrated is left as it is.
    """
    config = _config()
    engine = database_engine(url)
    if is_of_a_later_release(current_revision(engine)):
        engine.dispose()
        return
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        ensure_roles(connection)
    engine.dispose()
