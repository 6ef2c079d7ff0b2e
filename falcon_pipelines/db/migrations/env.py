"""Alembic's entry: runs migrations on the connection that `falcon_pipelines.db.migrate` opened."""

from alembic import context
from sqlalchemy import text

from falcon_pipelines.db.models import Base

_MIGRATION_LOCK = 7_170_001

connection = context.config.attributes["connection"]
connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
