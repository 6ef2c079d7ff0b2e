"""Child processes that belong together: started, watched, restarted with back-off, and all stopped at the end."""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from falcon_pipelines.errors import FalconError, InputError

logger = logging.getLogger(__name__)

STOP_SECONDS = 10
REPORT_SECONDS = 10
READY_SECONDS = 120
_PR_SET_PDEATHSIG = 1


class PortTaken(InputError):
    """Another program listens where a service should."""


class ServiceFailed(FalconError):
    """A service did not become ready."""


@dataclass(frozen=True)
class Service:
    """One process to keep running; ready once `health_url` answers 200 and `ready_file` exists.

    The services after one with a `ready_file`, or that says `before_others`, are started when it is ready.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    health_url: str | None = None
    ready_file: Path | None = None
    before_others: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of this service alone."""
    beats: bool = False
    """Whether it writes a heartbeat of its own."""


@dataclass(frozen=True)
class ServiceState:
    """A service as the supervisor sees it.

    `failures` counts how often it ended by itself, `beats` says that it writes a heartbeat of its own.
    """

    name: str
    running: bool
    started_at: datetime
    failures: int
    beats: bool


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    failures: int = 0
    restart_at: float = 0.0


@dataclass
class Supervisor:
    """Keeps the given services running from `start` until `stop`."""

    services: tuple[Service, ...]
    environment: Mapping[str, str]
    _children: list[_Child] = field(default_factory=list)

    def start(self) -> None:
        """Start every service, in order. Call `wait_ready` to know that they answer. Raises ServiceFailed."""
        for service in self.services:
            child = _Child(service)
            self._children.append(child)
            self._launch(child)
            if service.ready_file is not None or service.before_others:
                self._wait_for(child)

    def wait_ready(self) -> None:
        """Until every service answers its health check; raises ServiceFailed naming the one that does not."""
        for child in self._children:
            self._wait_for(child)

    def watch(self, report: Callable[[tuple[ServiceState, ...]], None] | None = None) -> None:
        """Restart what dies, with growing pauses, until interrupted; tells `report` every few seconds."""
        report_at = 0.0
        while True:
            for child in self._children:
                self._revive(child)
            if report is not None and time.monotonic() >= report_at:
                report(self.states())
                report_at = time.monotonic() + REPORT_SECONDS
            time.sleep(0.5)

    def states(self) -> tuple[ServiceState, ...]:
        """How each service is now."""
        return tuple(
            ServiceState(
                name=child.service.name,
                running=child.process is not None and child.process.poll() is None,
                started_at=child.started_at,
                failures=child.failures,
                beats=child.service.beats,
            )
            for child in self._children
        )

    def stop(self) -> None:
        """Stop every service, the last started first; kills what does not end in time."""
        running = [child.process for child in reversed(self._children) if child.process is not None]
        for process in running:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()
        self._children.clear()

    def pids(self) -> tuple[int, ...]:
        """Process ids of the running services."""
        return tuple(c.process.pid for c in self._children if c.process and c.process.poll() is None)

    def _launch(self, child: _Child) -> None:
        child.service.log.parent.mkdir(parents=True, exist_ok=True)
        child.started_at = datetime.now(UTC)
        with child.service.log.open("ab") as log:
            child.process = subprocess.Popen(  # noqa: S603 - the commands are ours
                child.service.command,
                env={**os.environ, **self.environment, **child.service.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    def _revive(self, child: _Child) -> None:
        if child.process is not None and child.process.poll() is not None:
            child.failures += 1
            pause = min(30.0, 2.0 ** (child.failures - 1))
            logger.warning(
                "%s ended with %s; restarting in %.0f s", child.service.name, child.process.returncode, pause
            )
            child.process, child.restart_at = None, time.monotonic() + pause
        if child.process is None and time.monotonic() >= child.restart_at:
            self._launch(child)

    def _wait_for(self, child: _Child) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready(child):
            if child.process is None or child.process.poll() is not None:
                raise ServiceFailed(f"{child.service.name} stopped while starting; see {child.service.log}")
            if time.monotonic() > deadline:
                raise ServiceFailed(
                    f"{child.service.name} did not answer within {READY_SECONDS} s; see {child.service.log}"
                )
            time.sleep(0.2)

    def _is_ready(self, child: _Child) -> bool:
        if child.service.ready_file is not None and not child.service.ready_file.exists():
            return False
        url = child.service.health_url
        if url is None:
            return child.process is not None
        try:
            with urlopen(url, timeout=2) as reply:  # noqa: S310 - our own loopback address
                return bool(reply.status == 200)
        except (URLError, OSError):
            return False


def _die_with_parent() -> None:
    """So that killing `falcon` itself leaves nothing behind (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def require_free_port(host: str, port: int, purpose: str, setting: str) -> None:
    """Raises PortTaken naming the port, what it is for and the setting that changes it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} on {host}, for {purpose}, cannot be used: {error.strerror}; "
                f"stop what uses it or set {setting}"
            ) from error
