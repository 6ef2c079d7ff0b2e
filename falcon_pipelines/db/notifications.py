"""Telling people: writing to the outbox. Sending from it is the notifier's task."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import Notification


class Notice(NamedTuple):
    """A message; `dedupe_key` names the event it tells of (such as `fill:<id>`)."""

    dedupe_key: str
    kind: str
    title: str
    body: str = ""


def notify_all(session: Session, notices: Sequence[Notice]) -> None:
    """Put messages in the outbox within the caller's transaction; an event that is told again changes nothing."""
    if notices:
        statement = insert(Notification).values(attempts=0)
        session.execute(
            statement.on_conflict_do_nothing(index_elements=["dedupe_key"]), [n._asdict() for n in notices]
        )


def notify(session: Session, dedupe_key: str, kind: str, title: str, body: str = "") -> bool:
    """Put a message in the outbox within the caller's transaction; whether it is new.

    `dedupe_key` names the event (such as `fill:<id>`): an event that is told again changes nothing.
    """
    statement = insert(Notification).values(
        dedupe_key=dedupe_key, kind=kind, title=title, body=body, attempts=0
    )
    made = session.execute(
        statement.on_conflict_do_nothing(index_elements=["dedupe_key"]).returning(Notification.id)
    )
    return made.scalar_one_or_none() is not None
