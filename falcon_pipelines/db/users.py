"""Who may log in to the dashboard: names, roles, and passwords as argon2id hashes."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import User
from falcon_pipelines.errors import InputError

Role = Literal["viewer", "operator"]
ROLES: tuple[Role, ...] = ("viewer", "operator")
NAME_PATTERN = r"^[a-z][a-z0-9._-]{0,31}$"
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256

_HASHER = PasswordHasher(time_cost=3, memory_cost=19_456, parallelism=1)
"""argon2id with 19 MiB (OWASP's password storage cheat sheet, 2025) and one pass more than it asks for."""


class InvalidUser(InputError):
    """A name, a role or a password that cannot be used."""


class UnknownUser(InputError):
    """There is no user of this name."""


class UserExists(InputError):
    """There is a user of this name already."""


def add_user(session: Session, name: str, password: str, role: Role) -> None:
    """Let somebody log in. Raises InvalidUser, UserExists."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidUser(
            f"{name!r} cannot be a user's name; use up to 32 of a-z, 0-9, '.', '_' and '-', starting with a letter"
        )
    made = session.execute(
        insert(User)
        .values(name=name, password_hash=hash_password(name, password), role=role, epoch=0)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(User.name)
    )
    if made.scalar_one_or_none() is None:
        raise UserExists(
            f"there is a user {name} already; `falcon user password {name}` changes the password"
        )


def change_password(session: Session, name: str, password: str) -> None:
    """A new password; every session of the user ends. Raises InvalidUser, UnknownUser."""
    _change(session, name, password_hash=hash_password(name, password))


def change_role(session: Session, name: str, role: Role) -> None:
    """A new role; every session of the user ends. Raises UnknownUser."""
    _change(session, name, role=role)


def disable(session: Session, name: str) -> None:
    """No more logins for now; every session of the user ends. Raises UnknownUser."""
    _change(session, name, disabled_at=datetime.now(UTC))


def enable(session: Session, name: str) -> None:
    """Let a disabled user log in again. Raises UnknownUser."""
    _change(session, name, disabled_at=None)


def users(session: Session) -> Sequence[User]:
    """Everybody, by name."""
    return session.scalars(select(User).order_by(User.name)).all()


def hash_password(name: str, password: str) -> str:
    """The argon2id hash to store; raises InvalidUser for a password that is too easy to guess."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidUser(
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters, this one {len(password)}"
        )
    if name in password.lower() and len(password) - len(name) < SHORTEST_PASSWORD // 2:
        raise InvalidUser("the password is little more than the name; choose another")
    if len(set(password)) < SHORTEST_PASSWORD // 3:
        raise InvalidUser("the password repeats the same few characters; choose another")
    return _HASHER.hash(password)


def password_is_right(password_hash: str | None, password: str) -> bool:
    """Whether the password belongs to the hash. Without a hash it takes as long, and is wrong."""
    try:
        return _HASHER.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def _change(session: Session, name: str, **values: object) -> None:
    changed = session.execute(
        update(User).where(User.name == name).values(**values, epoch=User.epoch + 1).returning(User.name)
    )
    if changed.scalar_one_or_none() is None:
        raise UnknownUser(f"there is no user {name}; `falcon user list` shows who there is")


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash("nobody has this password")
