"""What people asked for and nobody has answered yet."""

from datetime import datetime

from sqlalchemy import literal, select, union_all
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import OperatorCommand, Request


class WaitingRequest(Value):
    """A request of the pages or the shell that waits to be acted on."""

    kind: str
    requested_by: str
    requested_at: datetime


def waiting_requests(session: Session, *, limit: int = 100) -> list[WaitingRequest]:
    """Unanswered requests and commands, the oldest first."""
    asked = select(Request.kind, Request.requested_by, Request.requested_at).where(
        Request.handled_at.is_(None)
    )
    commanded = select(
        literal("trading: ").concat(OperatorCommand.command),
        OperatorCommand.requested_by,
        OperatorCommand.requested_at,
    ).where(OperatorCommand.applied_at.is_(None), OperatorCommand.result.is_(None))
    rows = session.execute(union_all(asked, commanded).order_by("requested_at").limit(limit))
    return [WaitingRequest(kind=row[0], requested_by=row[1], requested_at=row[2]) for row in rows]
