"""Every table tells who listens when its rows change: a notification with the table's name at each commit.

Statement triggers, so that a batch of rows is one notification and every writer is covered.
"""

from typing import Any

from sqlalchemy import Connection, MetaData, event, text

from falcon_pipelines.db.models.base import Base

CHANNEL = "falcon_changes"
"""LISTEN to this; the payload is the name of the table."""

_FUNCTION = f"""
CREATE OR REPLACE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('{CHANNEL}', TG_TABLE_NAME);
    RETURN NULL;
END
$$
"""


@event.listens_for(Base.metadata, "after_create")
def create_triggers(metadata: MetaData, connection: Connection, **_: Any) -> None:
    """Give every table its trigger, once."""
    connection.execute(text(_FUNCTION))
    for table in metadata.sorted_tables:
        connection.execute(
            text(
                f"CREATE OR REPLACE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON {table.name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
            )
        )


@event.listens_for(Base.metadata, "after_drop")
def drop_function(metadata: MetaData, connection: Connection, **_: Any) -> None:
    """The triggers went with their tables."""
    connection.execute(text("DROP FUNCTION IF EXISTS tell_change()"))
