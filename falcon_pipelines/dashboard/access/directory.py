"""The users table as the dashboard sees it: read at login, and remembered for moments after."""

import time
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.database import Database
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import User
from falcon_pipelines.db.users import Role

TABLE = User.__tablename__
FRESH_SECONDS = 5.0
"""Longest time until a change of a user is noticed while PostgreSQL cannot tell of it."""


class KnownUser(Value):
    """What a login is judged by."""

    name: str
    password_hash: str
    role: Role
    epoch: int
    disabled: bool


class Directory:
    """Users by name. A change in the table is heard of at once, through the stream that pages are refreshed by."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[float, KnownUser | None]] = {}

    async def user(self, name: str) -> KnownUser | None:
        """Raises DatabaseUnavailable."""
        found = self._known.get(name)
        if found is not None and self._clock() - found[0] < FRESH_SECONDS:
            return found[1]
        return await self.current(name)

    async def current(self, name: str) -> KnownUser | None:
        """As the table says now. Raises DatabaseUnavailable."""
        user = await self._database.read(lambda session: _user(session, name))
        if len(self._known) > 1000:
            self._known.clear()
        self._known[name] = (self._clock(), user)
        return user

    async def is_empty(self) -> bool:
        """Whether nobody can log in because there is no user yet. Raises DatabaseUnavailable."""
        return await self._database.read(lambda session: session.scalar(select(User.name).limit(1)) is None)

    def changed(self, table: str) -> None:
        """A table has changed, `*` for any."""
        if table in (TABLE, "*"):
            self._known.clear()


def _user(session: Session, name: str) -> KnownUser | None:
    row = session.execute(
        select(User.name, User.password_hash, User.role, User.epoch, User.disabled_at).where(
            User.name == name
        )
    ).one_or_none()
    if row is None:
        return None
    return KnownUser(
        name=row.name,
        password_hash=row.password_hash,
        role=row.role,
        epoch=row.epoch,
        disabled=row.disabled_at is not None,
    )
