"""Logging in and out: a name and a password become a session, or a reason why not."""

import contextlib
import math
import re
from dataclasses import dataclass

from anyio import CancelScope, CapacityLimiter, to_thread

from falcon_pipelines.dashboard.access.directory import Directory
from falcon_pipelines.dashboard.access.login_log import LoginLog
from falcon_pipelines.dashboard.access.policy import AccessPolicy
from falcon_pipelines.dashboard.access.sessions import Identity, Session, Sessions
from falcon_pipelines.dashboard.access.throttle import network_of
from falcon_pipelines.db.engine import DatabaseUnavailable
from falcon_pipelines.db.users import LONGEST_PASSWORD, NAME_PATTERN, password_is_right
from falcon_pipelines.errors import FalconError

OPEN_USER = "demo"
WAITING_LOGINS = 16


class WrongLogin(FalconError):
    """The name, the password, or both are wrong; which of them is not said."""


class LoginThrottled(FalconError):
    """Too many failures; `seconds` is how long to wait."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(
            f"Too many logins failed. Wait {self.seconds} second{'s' if self.seconds != 1 else ''}, then try again."
        )


@dataclass(frozen=True)
class Login:
    """Somebody who was let in, and the value of the cookie that says so."""

    identity: Identity
    cookie: str


class Doorkeeper:
    """Decides who gets in. It keeps nothing: tries, logouts and users are in the database, the rest is signed."""

    def __init__(self, policy: AccessPolicy, directory: Directory, log: LoginLog) -> None:
        self.policy = policy
        self.directory = directory
        self.sessions = Sessions(policy.session_key)
        self._log = log
        self._one_at_a_time: CapacityLimiter | None = None

    async def log_in(self, name: str, password: str, address: str) -> Login:
        """Raises WrongLogin, LoginThrottled, DatabaseUnavailable.

        An unknown name takes as long as a known one and reads the same.
        """
        name = name.strip().lower()
        network = network_of(address)
        possible = re.fullmatch(NAME_PATTERN, name) is not None and len(password) <= LONGEST_PASSWORD
        user = await self.directory.current(name) if possible else None
        # What is typed into the field of the name may be a password: only names of users are written down.
        subject = user.name if user else self.sessions.alias(name)
        wait = await self._log.begin(subject, network)
        if wait > 0:
            raise LoginThrottled(wait)
        judged = False
        try:
            right = await self._is_right(user.password_hash if user else None, password if possible else "")
            judged = True
        finally:
            if not judged:
                with CancelScope(shield=True), contextlib.suppress(DatabaseUnavailable):
                    await self._log.withdraw(subject, network)
        if user is None or not right or user.disabled:
            raise WrongLogin("The name or the password is not right.")
        session, cookie = self.sessions.start(user.name, user.epoch)
        await self._log.let_in(user.name, network, self.sessions.digest(session.id))
        return Login(Identity(user.name, user.role, session.id), cookie)

    async def log_out(self, identity: Identity) -> None:
        """End this session: a copy of its cookie is worth nothing any more. Raises DatabaseUnavailable."""
        if not identity.open:
            await self._log.leave(identity.name, self.sessions.digest(identity.session))
            self.directory.forget(identity.name)

    async def identify(self, cookie: str | None, visit: str) -> Identity | None:
        """Who carries this cookie, if the users table still agrees. Raises DatabaseUnavailable."""
        if not self.policy.login:
            return Identity(OPEN_USER, "operator", visit, open=True)
        session: Session | None = self.sessions.read(cookie)
        if session is None:
            return None
        user = await self.directory.user(session.user)
        if user is None or user.disabled or user.epoch != session.epoch:
            return None
        if self.sessions.digest(session.id) in user.ended:
            return None
        return Identity(user.name, user.role, session.id)

    async def _is_right(self, password_hash: str | None, password: str) -> bool:
        """One hash at a time: each takes 19 MiB and a whole core."""
        if self._one_at_a_time is None:
            self._one_at_a_time = CapacityLimiter(1)
        if self._one_at_a_time.statistics().tasks_waiting >= WAITING_LOGINS:
            raise LoginThrottled(5)
        return await to_thread.run_sync(
            password_is_right, password_hash, password, limiter=self._one_at_a_time
        )
