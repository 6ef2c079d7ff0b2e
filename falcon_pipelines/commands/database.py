"""The application database for the time of one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@contextmanager
def database_session() -> Iterator["Session"]:
    """A transaction on the configured database or the embedded one, with the newest schema.

    Raises what `application_engine` raises.
    """
    # Here, so that commands that need no database start without it.
    from falcon_pipelines import settings
    from falcon_pipelines.db.engine import transaction
    from falcon_pipelines.local.stack import application_engine

    with application_engine(settings.load()) as engine, transaction(engine) as session:
        yield session
