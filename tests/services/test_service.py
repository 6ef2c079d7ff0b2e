"""A service says when it is ready, alive, in trouble and stopping: to systemd, to the database, on loopback."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from sqlalchemy import select

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import Heartbeat
from falcon_pipelines.services import systemd
from falcon_pipelines.services.backoff import Backoff
from tests.services.outage import hanging, outage
from tests.services.waiting import until

PROGRAM = """
import sys, time
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.services.logs import log_json_lines
from falcon_pipelines.services.service import Service
from sqlalchemy import text

log_json_lines()
engine = database_engine(sys.argv[1])

def ask():
    with transaction(engine) as session:
        return session.scalar(text("SELECT 1"))

times = {"stall_seconds": 1.0, "beat_seconds": 0.2, "hang_seconds": 0.5}
with Service("falcon-test", engine, port=0, without_database="what stands stands", **times) as service:
    print(service.monitor.port, flush=True)
    service.ready("watching 3 tickers")
    while not service.stopping.is_set():
        service.alive()
        service.through_outages(ask)
        if sys.stdin in __import__("select").select([sys.stdin], [], [], 0.05)[0]:
            sys.stdin.readline()
            time.sleep(3)
"""


class Running:
    """The program above as a process, with a systemd of our own listening."""

    def __init__(self, url: str, folder: Path) -> None:
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        threading.Thread(target=self._listen, daemon=True).start()
        environment = os.environ | {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "200000"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def _listen(self) -> None:
        while True:
            self.told.append(self._socket.recv(4096).decode())

    def health(self) -> tuple[int, dict[str, Any]]:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as reply:
                return reply.status, json.loads(reply.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def stall(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def running(url: str, folder: Path) -> Iterator[Running]:
    service = Running(url, folder)
    try:
        yield service
    finally:
        service.process.kill()
        service.process.wait()


def heartbeat(url: str) -> Heartbeat | None:
    with transaction(database_engine(url, pool_size=1)) as session:
        row = session.scalars(select(Heartbeat).where(Heartbeat.service == "falcon-test")).one_or_none()
        session.expunge_all()
        return row


def beats(url: str, state: str) -> Callable[[], bool]:
    return lambda: (row := heartbeat(url)) is not None and row.state == state


def test_a_service_is_ready_then_fed_to_the_watchdog_then_stops_cleanly(
    database_url: str, tmp_path: Path
) -> None:
    with running(database_url, tmp_path) as service:
        until(lambda: any(told.startswith("READY=1") for told in service.told))
        until(lambda: sum(told.startswith("WATCHDOG=1") for told in service.told) > 2)
        until(beats(database_url, "ok"))
        row = heartbeat(database_url)
        assert row is not None
        assert row.detail == "watching 3 tickers"
        status, health = service.health()
        assert (status, health["state"]) == (200, "ok")
        with urlopen(f"http://127.0.0.1:{service.port}/metrics", timeout=5) as reply:
            assert b"process_resident_memory_bytes" in reply.read()

        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
        until(lambda: "STOPPING=1" in service.told)
        assert beats(database_url, "stopping")()


def test_a_loop_that_hangs_is_no_longer_alive(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path) as service:
        until(beats(database_url, "ok"))
        service.stall()
        until(lambda: service.health()[0] == 503)
        row = heartbeat(database_url)
        assert row is not None
        until(lambda: "no turn of its loop" in ((heartbeat(database_url) or row).detail or ""))
        fed = len(service.told)
        until(lambda: service.health()[0] == 200)
        until(lambda: any(told.startswith("WATCHDOG=1") for told in service.told[fed:]))


def test_a_database_outage_degrades_the_service_until_it_is_over(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path) as service:
        until(beats(database_url, "ok"))
        with outage(database_url):
            until(lambda: service.health()[1]["state"] == "degraded")
            status, health = service.health()
            assert status == 200
            assert "not available" in health["detail"]
            assert health["detail"].endswith("what stands stands")
        until(lambda: service.health()[1]["state"] == "ok")
        until(beats(database_url, "ok"))
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
        assert service.process.stderr is not None
        lines = [json.loads(line) for line in service.process.stderr.read().splitlines()]
        assert {"time", "level", "logger", "message"} <= set(lines[0])
        assert any(line["level"] == "warning" and "database" in line["message"] for line in lines)


def test_a_database_that_hangs_is_told_and_gets_no_service_killed(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path) as service:
        until(beats(database_url, "ok"))
        with hanging(database_url):
            until(lambda: service.health()[1]["state"] == "degraded")
            time.sleep(1.5)  # longer than a loop may stand still
            status, health = service.health()
            assert status == 200
            assert re.fullmatch(r"PostgreSQL has not answered for \d s; what stands stands", health["detail"])
            fed = len(service.told)
            until(lambda: any(told.startswith("WATCHDOG=1") for told in service.told[fed:]))
        until(lambda: service.health()[1]["state"] == "ok")


def test_without_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert systemd.tell("READY=1") is False
    assert systemd.watchdog_seconds() is None


def test_pauses_grow_to_a_limit_and_differ() -> None:
    backoff = Backoff(first=1.0, most=8.0)
    pauses = [backoff.pause() for _ in range(6)]
    for pause, longest in zip(pauses, (1, 2, 4, 8, 8, 8), strict=True):
        assert longest / 2 <= pause <= longest
    assert len(set(pauses)) == 6
    backoff.reset()
    assert backoff.pause() <= 1.0
