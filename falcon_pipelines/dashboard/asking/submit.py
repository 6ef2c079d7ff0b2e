"""From something valid to one inserted row, and what became of it."""

import secrets
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlencode

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from falcon_pipelines.dashboard.access.sessions import Identity
from falcon_pipelines.dashboard.queries.asked import Asked, asked
from falcon_pipelines.db.engine import DatabaseUnavailable

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
