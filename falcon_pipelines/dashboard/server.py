"""Serves the dashboard as a process of its own: `python -m falcon_pipelines.dashboard.server`."""

import logging
import os
import signal
import socket
import sys

import uvicorn

from falcon_pipelines import settings
from falcon_pipelines.dashboard.access.policy import AccessPolicy, policy_from
from falcon_pipelines.dashboard.app import create_app
from falcon_pipelines.dashboard.changes import ChangeFeed
from falcon_pipelines.errors import FalconError, InputError

BACKLOG = 128
STOP_SECONDS = 5
SD_LISTEN_FDS_START = 3


class AddressTaken(FalconError):
    """The dashboard cannot listen where it was told to."""


class NoDatabaseUrl(InputError):
    """The process was not told where its database is."""


class _Server(uvicorn.Server):
    """Ends the streams to open pages before it waits for requests to finish."""

    def __init__(self, config: uvicorn.Config, changes: ChangeFeed) -> None:
        super().__init__(config)
        self._changes = changes

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._changes.close()
        await super().shutdown(sockets)


def serve(host: str, port: int, database_url: str, policy: AccessPolicy) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests under way.

    Listens on the socket that systemd holds, where it holds one: requests wait during a restart instead of failing.
    Raises AddressTaken and InvalidDatabaseUrl.
    """
    app = create_app(database_url, policy)
    listener = _inherited() or _listen(host, port)
    # Only the proxy in front reaches a socket file.
    proxies = ["*"] if listener.family == socket.AF_UNIX else list(policy.proxies)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    with listener:
        _Server(config, app.state.changes).run(sockets=[listener])


def _inherited() -> socket.socket | None:
    """The first socket passed by systemd (sd_listen_fds(3)); None when this process was started without."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not int(os.environ.get("LISTEN_FDS", "0")):
        return None
    return socket.socket(fileno=SD_LISTEN_FDS_START)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise AddressTaken(
            f"{host} is not an address to listen on: {error.strerror}; see FALCON_HOST"
        ) from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressTaken(
            f"the dashboard cannot listen on {host}:{port}: {error.strerror}; "
            "stop what is there or set FALCON_DASHBOARD_PORT"
        ) from error
    return listener


def _stopped(*_: object) -> None:
    sys.exit(0)


def main() -> None:
    """Serve with this process's settings; one line on stderr and an exit code when that is impossible."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _stopped)
    try:
        configured = settings.load()
        if configured.database_url is None:
            raise NoDatabaseUrl(
                "FALCON_DATABASE_URL is not set; `falcon up` and `falcon demo` set it themselves"
            )
        database_url = configured.database_url.get_secret_value()
        serve(configured.host, configured.dashboard_port, database_url, policy_from(configured))
    except FalconError as error:
        sys.stderr.write(f"falcon dashboard: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
