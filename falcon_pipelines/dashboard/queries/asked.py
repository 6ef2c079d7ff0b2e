"""What people asked for, from whichever table it was inserted into, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import text
from falcon_pipelines.dashboard.values import Page, Value
from falcon_pipelines.db.models import Account, Decision, OperatorCommand, Promotion, Request, StrategySpec

State = Literal["waiting", "done", "refused"]
TABLES = ("requests", "operator_commands", "decisions", "promotions")
"""What tells of changes to these."""


class Asked(Value):
    """One thing somebody asked for; `answer` is what came of it, in a sentence."""

    kind: str
    about: str
    by: str
    at: datetime
    state: State
    answer: str | None


class RequestRow(Value):
    """A row of the requests table."""

    id: int
    key: str | None
    kind: str
    payload: dict[str, Any]
    requested_by: str
    requested_at: datetime
    handled_at: datetime | None
    state: State
    answer: str | None


_ABOUT = {
    "study_video": ("study the video", "url"),
    "watch_feed": ("watch", "url"),
    "unwatch_feed": ("stop watching", "url"),
    "lay_overlay": ("lay an overlay over", "spec"),
    "save_profile": ("save a screening profile", ""),
    "delete_profile": ("delete the profile", "name"),
    "restore_profile": ("bring back an earlier version of the profile", "name"),
    "decide_proposal": ("decide on proposed weights, proposal", "proposal"),
    "run_screen": ("run the screen", "profile"),
}
_COMMANDS = {
    "pause": "pause entries of",
    "resume": "resume entries of",
    "acknowledge": "acknowledge the halts of",
    "flatten": "close every position of",
    "close": "close",
    "cancel": "cancel order",
    "edit_stop": "move the stop of order",
}


def asked(session: Session, key: str) -> Asked | None:
    """What was asked for with this key; its first letter says in which table to look."""
    table = {"r": _request, "c": _command, "d": _decision}.get(key[:1])
    return None if table is None else table(session, key)


def requests(
    session: Session,
    *,
    kinds: Sequence[str] | None = None,
    waiting: bool | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Page[RequestRow]:
    """Requests, newest first; `before` is the id that a page ended with."""
    query = select(Request).order_by(Request.id.desc()).limit(limit + 1)
    if kinds is not None:
        query = query.where(Request.kind.in_(kinds))
    if waiting is not None:
        query = query.where(Request.handled_at.is_(None) if waiting else Request.handled_at.is_not(None))
    if before is not None:
        query = query.where(Request.id < before)
    rows = session.scalars(query).all()
    items = [_row(row) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)


def request(session: Session, request_id: int) -> RequestRow | None:
    """One request; None when there is none with this id."""
    row = session.get(Request, request_id)
    return None if row is None else _row(row)


def request_with_key(session: Session, key: str) -> RequestRow | None:
    """The request that was asked for with this key."""
    row = session.scalars(select(Request).where(Request.key == key)).one_or_none()
    return None if row is None else _row(row)


def newest(session: Session, kinds: Sequence[str], *, limit: int = 10) -> list[Asked]:
    """The newest requests of these kinds."""
    rows = session.scalars(
        select(Request).where(Request.kind.in_(kinds)).order_by(Request.id.desc()).limit(limit)
    )
    return [_asked(row) for row in rows]


def _row(row: Request) -> RequestRow:
    return RequestRow(
        id=row.id,
        key=row.key,
        kind=row.kind,
        payload=row.payload if isinstance(row.payload, dict) else {},
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        handled_at=row.handled_at,
        state=_state(row.handled_at, row.outcome == "done"),
        answer=row.answer,
    )


def _request(session: Session, key: str) -> Asked | None:
    row = session.scalars(select(Request).where(Request.key == key)).one_or_none()
    return None if row is None else _asked(row)


def _asked(row: Request) -> Asked:
    words, field = _ABOUT.get(row.kind, (row.kind.replace("_", " "), ""))
    payload = row.payload if isinstance(row.payload, dict) else {}
    what = text(payload.get(field)) if field else None
    return Asked(
        kind=row.kind,
        about=f"{words} {what}" if what else words,
        by=row.requested_by,
        at=row.requested_at,
        state=_state(row.handled_at, row.outcome == "done"),
        answer=row.answer,
    )


def _command(session: Session, key: str) -> Asked | None:
    found = session.execute(
        select(OperatorCommand, Account.name)
        .join(Account, OperatorCommand.account_id == Account.id)
        .where(OperatorCommand.request_key == key)
    ).one_or_none()
    if found is None:
        return None
    row, account = found
    words = _COMMANDS.get(row.command, row.command)
    return Asked(
        kind=row.command,
        about=f"{words} {row.target} in {account}" if row.target else f"{words} {account}",
        by=row.requested_by,
        at=row.requested_at,
        state=_state(row.applied_at, row.result == "done"),
        answer=None if row.result == "done" else row.result,
    )


def _decision(session: Session, key: str) -> Asked | None:
    found = session.execute(
        select(Decision, StrategySpec.name)
        .join(StrategySpec, Decision.spec_id == StrategySpec.id)
        .where(Decision.request_key == key)
    ).one_or_none()
    if found is None:
        return None
    row, name = found
    followed = session.scalars(
        select(Promotion).where(Promotion.decision_id == row.id).order_by(Promotion.id.desc()).limit(1)
    ).one_or_none()
    agrees = followed is not None and followed.promoted == (row.choice == "approve")
    return Asked(
        kind=row.choice,
        about=f"{row.choice} {name.replace('_', ' ')}{' for paper' if row.choice == 'approve' else ''}",
        by=row.decided_by,
        at=row.created_at,
        state=_state(None if followed is None else followed.created_at, agrees),
        answer=None if followed is None else followed.reason,
    )


def _state(answered_at: datetime | None, done: bool) -> State:
    if answered_at is None:
        return "waiting"
    return "done" if done else "refused"
