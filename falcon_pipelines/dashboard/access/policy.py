"""How this dashboard lets people in, decided once from its settings."""

import contextlib
import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from falcon_pipelines.errors import InputError
from falcon_pipelines.settings import Settings

KEY_FILE = "session.key"


class UnsafeLogin(InputError):
    """A dashboard without login would be open to more than this machine."""


class NoSessionKey(InputError):
    """There is no key to sign sessions with, and none can be made."""


@dataclass(frozen=True)
class AccessPolicy:
    """The rules of one process. `session_key` is the secret that sessions and form tokens are signed with."""

    session_key: str
    login: bool = True
    metrics_from: tuple[str, ...] = ("127.0.0.1", "::1")
    proxies: tuple[str, ...] = ()


def policy_from(settings: Settings) -> AccessPolicy:
    """Raises UnsafeLogin, and NoSessionKey when none is set and none can be kept."""
    if settings.dashboard_login == "off" and not is_loopback(settings.host):
        raise UnsafeLogin(
            f"FALCON_DASHBOARD_LOGIN=off needs a loopback FALCON_HOST, not {settings.host}; "
            "turn the login on and make a user with `falcon user add`"
        )
    given = settings.session_key
    return AccessPolicy(
        session_key=given.get_secret_value() if given is not None else _kept_key(settings.home),
        login=settings.dashboard_login == "on",
        metrics_from=_addresses(settings.metrics_from),
        proxies=_addresses(settings.trusted_proxies),
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _addresses(written: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in written.split(",") if part.strip())


def _kept_key(home: Path) -> str:
    """The key of this machine, made at the first start and readable by its user only."""
    path = home / KEY_FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            _make_key(path)
        key = path.read_text(encoding="ascii").strip()
        path.chmod(0o600)
    except (OSError, UnicodeDecodeError) as error:
        raise NoSessionKey(f"{path} cannot be used: {error}; set FALCON_SESSION_KEY") from None
    if len(key) < 32:
        raise NoSessionKey(f"{path} is too short to be a key; delete it, and it is made again")
    return key


def _make_key(path: Path) -> None:
    """Complete or not at all, also when two processes start at once."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
        os.link(draft, path)
    finally:
        draft.unlink()
