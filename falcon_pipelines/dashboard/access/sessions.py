"""Sessions as signed cookies, and the tokens that show that a form came from our own page."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from itsdangerous import BadSignature, URLSafeTimedSerializer

from falcon_pipelines.db.users import Role

SESSION_SECONDS = 12 * 3600
"""A login lasts a working day, however often the page is opened."""


@dataclass(frozen=True)
class Identity:
    """Who asks. `session` is what form tokens are bound to; `open` says that nobody had to log in."""

    name: str
    role: Role
    session: str
    open: bool = False

    @property
    def may_ask(self) -> bool:
        """Whether this person may ask for things, not only look."""
        return self.role == "operator"


@dataclass(frozen=True)
class Session:
    """What a session cookie says; whether its user still may, and has not left, is for the database to say."""

    user: str
    epoch: int
    id: str


class Sessions:
    """Makes and reads what browsers carry. Everything is signed with one key; nothing is kept here."""

    def __init__(self, key: str) -> None:
        self._serializer = URLSafeTimedSerializer(
            key,
            salt="falcon-session",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._token_key = hmac.digest(key.encode(), b"falcon-form-token", "sha256")

    def start(self, user: str, epoch: int) -> tuple[Session, str]:
        """A new session with an id nobody has seen before, and its cookie's value."""
        session = Session(user=user, epoch=epoch, id=secrets.token_urlsafe(18))
        return session, self._serializer.dumps([session.user, session.epoch, session.id])

    def read(self, cookie: str | None) -> Session | None:
        """The session of a cookie that we signed and that is not too old."""
        if not cookie or len(cookie) > 1000:
            return None
        try:
            user, epoch, session_id = self._serializer.loads(cookie, max_age=SESSION_SECONDS)
        except (BadSignature, ValueError, TypeError):
            return None
        return Session(user=user, epoch=epoch, id=session_id)

    def digest(self, session_id: str) -> str:
        """What is written down of a session: it tells one from another, and opens nothing."""
        return hashlib.sha256(session_id.encode()).hexdigest()

    def alias(self, typed: str) -> str:
        """What is written down of a name that no user has."""
        return "?" + hmac.digest(self._token_key, typed.encode("utf-8", "replace"), "sha256").hex()[:32]

    def token(self, session_id: str) -> str:
        """A form token of this session: another text each time, so that compression tells nothing about it."""
        salt = secrets.token_hex(8)
        return f"{salt}.{self._mark(salt, session_id)}"

    def is_token(self, token: str | None, session_id: str) -> bool:
        """Whether a form token belongs to this session."""
        salt, _, mark = (token or "").partition(".")
        return hmac.compare_digest(mark.encode(), self._mark(salt, session_id).encode())

    def _mark(self, salt: str, session_id: str) -> str:
        message = f"{salt}.{session_id}".encode("utf-8", "surrogatepass")
        return hmac.new(self._token_key, message, "sha256").hexdigest()


def new_visit() -> str:
    """What the form token of somebody who has not logged in is bound to."""
    return "visit-" + secrets.token_urlsafe(18)


Cookie = Literal["session", "visit"]


def cookie_name(which: Cookie, *, secure: bool) -> str:
    """Over https the name itself makes browsers refuse a cookie that another host or an http page has set."""
    return f"{'__Host-' if secure else ''}falcon-{which}"
