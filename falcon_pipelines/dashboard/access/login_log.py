"""The tries to log in and the logouts, in the database: all processes know them, and so does the next one.

The dashboard may only add rows. A try counts as a failure from before it is judged until `let_in` or `withdrawn`
follows, so that many tries at once gain nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, insert, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.access.throttle import Patience
from falcon_pipelines.dashboard.database import Database
from falcon_pipelines.db.models import LoginEvent

FAILURES_OF_A_NAME = Patience(free=5)
FAILURES_OF_A_NETWORK = Patience(free=20)
LOOKED_BACK = timedelta(days=1)
MOST_EVENTS = 200
"""Newest events that are looked at; by then the wait is the longest."""
_NAME_LOCK, _NETWORK_LOCK = 7_170_004, 7_170_005


class LoginLog:
    """What happened at the login of one application database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, name: str, network: str) -> float:
        """Count a try; or the seconds it has to wait, and it is not counted. Raises DatabaseUnavailable."""
        return await self._database.write(lambda session: _begin(session, name, network))

    async def let_in(self, name: str, network: str, session_digest: str) -> None:
        """The password was right: the name starts again from nothing, the network gets its try back."""
        await self._add(kind="let_in", name=name, network=network, session=session_digest)

    async def withdraw(self, name: str, network: str) -> None:
        """The try could not be judged and does not count."""
        await self._add(kind="withdrawn", name=name, network=network)

    async def leave(self, name: str, session_digest: str) -> None:
        """End a session for good, in every process."""
        await self._add(kind="left", name=name, session=session_digest)

    async def _add(self, **values: str) -> None:
        await self._database.write(lambda session: session.execute(insert(LoginEvent).values(values)))


def _begin(session: Session, name: str, network: str) -> float:
    for lock, key in ((_NAME_LOCK, name), (_NETWORK_LOCK, network)):
        session.execute(select(func.pg_advisory_xact_lock(lock, func.hashtext(key))))
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    of_name = _failures(_events(session, LoginEvent.name == name, now), forgiving=True)
    of_network = _failures(_events(session, LoginEvent.network == network, now), forgiving=False)
    wait = max(FAILURES_OF_A_NAME.wait(of_name, now), FAILURES_OF_A_NETWORK.wait(of_network, now))
    if wait == 0:
        session.execute(insert(LoginEvent).values(kind="tried", name=name, network=network))
    return wait


def _events(session: Session, whose: ColumnElement[bool], now: datetime) -> list[tuple[str, datetime]]:
    """Kind and time, oldest first."""
    rows = session.execute(
        select(LoginEvent.kind, LoginEvent.at)
        .where(whose, LoginEvent.at > now - LOOKED_BACK)
        .order_by(LoginEvent.id.desc())
        .limit(MOST_EVENTS)
    ).all()
    return [(row.kind, row.at) for row in reversed(rows)]


def _failures(events: Iterable[tuple[str, datetime]], *, forgiving: bool) -> list[datetime]:
    """Times of the tries that came to nothing; where it is `forgiving`, the right password wipes those before it."""
    failures: list[datetime] = []
    for kind, at in events:
        if kind == "tried":
            failures.append(at)
        elif kind == "let_in" and forgiving:
            failures.clear()
        elif kind in ("let_in", "withdrawn") and failures:
            failures.pop()
    return failures
