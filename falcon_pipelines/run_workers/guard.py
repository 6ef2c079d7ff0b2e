"""Guards one run's process: renews its lease, stops it when asked, and leaves nothing of it behind."""

import logging
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from redis import RedisError

from falcon_pipelines.run_workers.leases import RENEW_SECONDS, Lease, Leases

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""What a run that was asked to stop has for tidying up before it is killed."""
DRAIN_SECONDS = 60.0
"""What a run has when its worker has to stop, as for a new release."""
HOLDER = uuid4().hex
_PROC = Path("/proc")
EXECUTE = (sys.executable, "-m", "falcon_pipelines.run_workers.execute")


def guard(
    run_id: str,
    leases: Leases,
    stopping: threading.Event,
    *,
    command: Sequence[str] = EXECUTE,
    stop_seconds: float = STOP_SECONDS,
    drain_seconds: float = DRAIN_SECONDS,
) -> int | None:
    """Execute a run as a process of its own and wait for it; its exit code, None when it was not begun.

    `stopping` says that the worker stops: the run is killed after `drain_seconds`, and fails, to be retried elsewhere.
    """
    if leases.should_stop(run_id):
        log.info("run %s was cancelled before it began", run_id)
        return None
    lease = Lease(platform.node(), HOLDER, 0)
    if not leases.take(run_id, lease):
        log.warning("run %s is or was executed by another worker", run_id)
        return None
    with subprocess.Popen(  # noqa: S603 - a program of ours and the id of a run
        [*command, run_id], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        lease = replace(lease, pid=process.pid)
        log.info("run %s begins as process %d", run_id, process.pid)
        family: list[tuple[int, str]] = []
        try:
            family = _watch(process, run_id, lease, leases, stopping, stop_seconds, drain_seconds)
        finally:
            kill(process.pid, family or descendants(process.pid))
            code = process.wait()
    log.info("run %s ended with exit code %d", run_id, code)
    try:
        leases.end(run_id, replace(lease, exit_code=code))
    except RedisError as error:
        # The lease runs out by itself.
        log.warning("run %s: its end could not be told: %s", run_id, error)
    return code


def _watch(
    process: subprocess.Popen[bytes],
    run_id: str,
    lease: Lease,
    leases: Leases,
    stopping: threading.Event,
    stop_seconds: float,
    drain_seconds: float,
) -> list[tuple[int, str]]:
    """Returns when the process has ended or must be killed, with what it had started when it was asked to stop."""
    family: list[tuple[int, str]] = []
    kill_at: float | None = None
    drained_at: float | None = None
    while True:
        try:
            process.wait(RENEW_SECONDS)
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        else:
            return family
        try:
            wanted = leases.renew(run_id, lease)
        except RedisError as error:
            log.warning("run %s: its lease could not be renewed: %s", run_id, error)
            wanted = False
        if wanted and kill_at is None:
            log.info("run %s is asked to stop", run_id)
            # When it has ended nobody can tell whose children they were.
            family = descendants(process.pid)
            process.send_signal(signal.SIGTERM)
            kill_at = now + stop_seconds
        if stopping.is_set() and drained_at is None:
            drained_at = now + drain_seconds
        if any(at is not None and now >= at for at in (kill_at, drained_at)):
            log.warning("run %s did not end in time and is killed", run_id)
            return family


def descendants(pid: int) -> list[tuple[int, str]]:
    """Every process that came of this one, also those in sessions of their own, each with the time of its start.

    From /proc/PID alone, which is all of /proc that a hardened service sees.
    """
    children: dict[int, list[tuple[int, str]]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (found := _parent_and_start(int(entry.name))):
            children.setdefault(found[0], []).append((int(entry.name), found[1]))
    family: list[tuple[int, str]] = []
    wanted = [pid]
    while wanted:
        born = children.get(wanted.pop(), [])
        family += born
        wanted += [child for child, _ in born]
    return family


def _parent_and_start(pid: int) -> tuple[int, str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # After the command's name, which may hold anything: state, parent, ..., and as the twentieth the start.
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), fields[19]


def kill(pid: int, family: Sequence[tuple[int, str]]) -> None:
    """Kill a session's leader with its group, and these processes if they are still the same ones."""
    for member, start in family:
        found = _parent_and_start(member)
        if found and found[1] == start:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
