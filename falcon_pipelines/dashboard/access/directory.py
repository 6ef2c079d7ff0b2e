"""Users and their ended sessions as the dashboard sees them: read at login, and remembered for moments after."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.access.sessions import SESSION_SECONDS
from falcon_pipelines.dashboard.database import EVERYTHING, Database
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import LoginEvent, User
from falcon_pipelines.db.users import Role

TABLES = (User.__tablename__, LoginEvent.__tablename__, EVERYTHING)
CLOCKS_DIFFER = timedelta(hours=1)
FRESH_SECONDS = 5.0
"""Longest time until a change of a user is noticed while PostgreSQL cannot tell of it."""


class KnownUser(Value):
    """What a login is judged by; `ended` are digests of the sessions that were logged out of."""

    name: str
    password_hash: str
    role: Role
    epoch: int
    disabled: bool
    ended: frozenset[str]


class Directory:
    """Users by name. A change in the table is heard of at once, through the stream that pages are refreshed by."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[float, KnownUser | None]] = {}
        self._changes = 0

    async def user(self, name: str) -> KnownUser | None:
        """Raises DatabaseUnavailable."""
        found = self._known.get(name)
        if found is not None and self._clock() - found[0] < FRESH_SECONDS:
            return found[1]
        return await self.current(name)

    async def current(self, name: str) -> KnownUser | None:
        """As the tables say now. Raises DatabaseUnavailable."""
        changes = self._changes
        user = await self._database.read(lambda session: _user(session, name))
        if changes == self._changes:
            if len(self._known) > 1000:
                self._known.clear()
            self._known[name] = (self._clock(), user)
        return user

    async def is_empty(self) -> bool:
        """Whether nobody can log in because there is no user yet. Raises DatabaseUnavailable."""
        return await self._database.read(lambda session: session.scalar(select(User.name).limit(1)) is None)

    def forget(self, name: str) -> None:
        """Read this user anew before the next answer."""
        self._changes += 1
        self._known.pop(name, None)

    def changed(self, table: str) -> None:
        """A table has changed, EVERYTHING for any."""
        if table in TABLES:
            self._changes += 1
            self._known.clear()


def _user(session: Session, name: str) -> KnownUser | None:
    ended = select(LoginEvent.session).where(
        LoginEvent.name == name,
        LoginEvent.kind == "left",
        LoginEvent.at > datetime.now(UTC) - timedelta(seconds=SESSION_SECONDS) - CLOCKS_DIFFER,
    )
    row = session.execute(
        select(
            User.name,
            User.password_hash,
            User.role,
            User.epoch,
            User.disabled_at,
            func.array(ended.scalar_subquery()).label("ended"),
        ).where(User.name == name)
    ).one_or_none()
    if row is None:
        return None
    return KnownUser(
        name=row.name,
        password_hash=row.password_hash,
        role=row.role,
        epoch=row.epoch,
        disabled=row.disabled_at is not None,
        ended=frozenset(row.ended),
    )
