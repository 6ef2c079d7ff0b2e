"""From something valid to one inserted row, and what became of it."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from falcon_pipelines.dashboard.access.sessions import Identity
from falcon_pipelines.dashboard.database import Database
from falcon_pipelines.dashboard.queries.asked import Asked, RequestRow, asked, request_with_key
from falcon_pipelines.db.engine import DatabaseUnavailable
from falcon_pipelines.db.requests import ask

Table = Literal["r", "c", "d"]
"""requests, operator_commands, decisions: the first letter of a stored key."""
Insert = Callable[[Session, str, str], object]
"""Checks and inserts, given a session, who asks, and the key."""


async def ask_once(
    request: Request, table: Table, key: str | None, about: str, insert: Insert
) -> tuple[bool, str, Asked]:
    """Whether this is new, its stored key, and what has become of it so far. The same key inserts once.

    Raises DatabaseUnavailable, and whatever `insert` raises.
    """
    identity: Identity = request.state.identity
    stored_key = f"{table}-{key or secrets.token_urlsafe(18)}"
    request.state.asked = about[:300]

    def work(session: Session) -> tuple[bool, Asked | None]:
        before = asked(session, stored_key)
        if before is not None:
            return False, before
        new = bool(insert(session, identity.name, stored_key))
        return new, asked(session, stored_key)

    new, found = await request.app.state.database.write(work)
    if found is None:
        raise DatabaseUnavailable("what was asked is not visible yet; ask again with the same key")
    return new, stored_key, found


async def ask_request(
    request: Request, response: Response, kind: str, payload: Mapping[str, Any], key: str | None
) -> RequestRow:
    """The API's answer to a request: its row, 201 when it is new, 200 when this key has asked before."""

    def insert(session: Session, by: str, stored_key: str) -> bool:
        return ask(session, kind, payload, by, key=stored_key)

    new, stored_key, _ = await ask_once(request, "r", key, kind, insert)
    response.status_code = 201 if new else 200
    database: Database = request.app.state.database
    row = await database.read(lambda session: request_with_key(session, stored_key))
    if row is None:
        raise DatabaseUnavailable("what was asked is not visible yet; ask again with the same key")
    return row


async def submit(
    request: Request, table: Table, form_key: str, back_to: str, insert: Insert, about: str
) -> Response:
    """Ask once, then lead to `back_to`, where the answer will be shown. Raises as `ask_once` does."""
    _, key, _ = await ask_once(request, table, form_key, about, insert)
    address, hash_mark, fragment = back_to.partition("#")
    separator = "&" if "?" in address else "?"
    return RedirectResponse(
        f"{address}{separator}{urlencode({'asked': key})}{hash_mark}{fragment}", status_code=303
    )
