"""How the queue of runs in Redis is reached: address, password, TLS and time-outs, for Celery and for plain clients."""

import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from redis import Redis

from falcon_pipelines.errors import InputError
from falcon_pipelines.settings import Settings

# A peer that vanished without a word is noticed after 20 s, idle or not.
_KEEPALIVE = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 2,
    socket.TCP_USER_TIMEOUT: 20_000,
}
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 5.0


class NoBroker(InputError):
    """The queue of runs is not set up, or its password cannot be read."""


@dataclass(frozen=True)
class Broker:
    """Where the queue is. `url` holds no password and may be shown."""

    url: str
    password: str | None = field(default=None, repr=False)
    tls: Path | None = None
    """Folder of ca.crt, node.crt and node.key, for a `rediss://` address."""

    @property
    def celery_url(self) -> str:
        """The address as Celery wants it, with the password in it: keep it in memory."""
        if self.password is None:
            return self.url
        parts = urlsplit(self.url)
        account = f"{quote(parts.username or '', safe='')}:{quote(self.password, safe='')}"
        return parts._replace(netloc=f"{account}@{parts.netloc.rpartition('@')[2]}").geturl()

    @property
    def celery_settings(self) -> dict[str, Any]:
        """Celery's settings for this broker; there is no result backend, the leases say how a run is."""
        settings: dict[str, Any] = {
            "broker_url": self.celery_url,
            "broker_transport_options": {
                "socket_connect_timeout": _CONNECT_SECONDS,
                "socket_timeout": _ANSWER_SECONDS,
                "socket_keepalive": True,
                "socket_keepalive_options": _KEEPALIVE,
                "max_retries": 1,
                "interval_start": 0.0,
                "interval_step": 0.2,
                "interval_max": 0.2,
            },
            "broker_connection_retry_on_startup": True,
            "broker_connection_max_retries": None,
            "task_ignore_result": True,
            "task_publish_retry": False,
            "worker_prefetch_multiplier": 1,
        }
        if self.tls is not None:
            settings["broker_use_ssl"] = self._tls_settings()
        return settings

    def client(self) -> "Redis":
        """A plain client, for leases."""
        secure: dict[str, Any] = self._tls_settings() if self.tls is not None else {}
        return Redis.from_url(
            self.url,
            password=self.password,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            socket_keepalive=True,
            socket_keepalive_options=_KEEPALIVE,
            **secure,
        )

    def _tls_settings(self) -> dict[str, Any]:
        assert self.tls is not None
        return {
            "ssl_cert_reqs": ssl.CERT_REQUIRED,
            "ssl_ca_certs": str(self.tls / "ca.crt"),
            "ssl_certfile": str(self.tls / "node.crt"),
            "ssl_keyfile": str(self.tls / "node.key"),
            "ssl_check_hostname": True,
        }


def broker_of(settings: Settings) -> Broker:
    """The broker that the settings name; raises NoBroker saying what is missing."""
    if settings.runs_broker is None:
        raise NoBroker("FALCON_RUNS_BROKER is not set: runs are launched through Redis on nodes only")
    secure = settings.runs_broker.startswith("rediss://")
    if secure and settings.runs_tls_dir is None:
        raise NoBroker(
            "FALCON_RUNS_TLS_DIR is not set: a rediss:// broker needs ca.crt, node.crt and node.key"
        )
    password = None
    if settings.runs_password_file is not None:
        try:
            password = settings.runs_password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NoBroker(
                f"FALCON_RUNS_PASSWORD_FILE: {settings.runs_password_file}: {error.strerror}"
            ) from error
    return Broker(settings.runs_broker, password, settings.runs_tls_dir if secure else None)
