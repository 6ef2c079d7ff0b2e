"""A full disk: people are told which, and once there is room again everything goes on by itself and nothing is torn."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.cluster.bed import Bed
from tests.cluster.network import OPERATOR, inside
from tests.cluster.node import Node
from tests.cluster.recovery import (
    POSTGRESQL,
    all_back,
    finished_or_retried,
    nothing_lost,
    trading_state,
    watch_pages,
)
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
BACK_SECONDS = 60
TOLD_SECONDS = 120
PORT = 8099
_PSQL = "runuser -u postgres -- psql -Xq -v ON_ERROR_STOP=1"


class Phone:
    """The operator's end of FALCON_NOTIFY_URLS: remembers what it was told."""

    def __init__(self, bed: Bed) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                heard.append(f"{message['title']}: {message['message']}")
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
                """Nobody reads it."""

        with inside(bed.network.name("operator")):
            self._server = ThreadingHTTPServer((OPERATOR, PORT), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def told(self, words: str) -> bool:
        """Whether a message holds these words."""
        return any(words in message for message in self.heard)

    def close(self) -> None:
        """No longer reachable."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def phone(trading: Road) -> Iterator[Phone]:
    """What web tells people comes here."""
    env = trading.site.state / "web.env"
    line = f"FALCON_NOTIFY_URLS=json://{OPERATOR}:{PORT}/\n"
    if not env.exists() or line not in env.read_text():
        env.touch(0o600)
        env.write_text(line)
        said = trading.site.operator("secrets", "web")
        assert said.code == 0, said.text[-2000:]
    found = Phone(trading.bed)
    yield found
    found.close()


@contextmanager
def _full(bed: Bed, name: str) -> Iterator[None]:
    bed.nodes[name].fill_disk()
    try:
        yield
    finally:
        bed.nodes[name].free_disk()


def _status_says(road: Road, check: str) -> bool:
    """Whether `falcon status` on compute calls this a problem."""
    answer = road.bed.compute.console("/usr/local/bin/falcon status --json || true")
    return any(found["name"] == check and not found["ok"] for found in json.loads(answer)["checks"])


def _alarm(road: Road, phone: Phone, node: str) -> float:
    """Wait until `falcon status`, the dashboard's first page and a message name the full disk; in how many seconds."""
    began = time.monotonic()
    wait_until(lambda: _status_says(road, f"disk of {node}"), TOLD_SECONDS, "falcon status tells of it")
    wait_until(
        lambda: f"The disk of {node} is not well" in road.page("/").body,
        TOLD_SECONDS,
        "the dashboard tells of it",
    )
    wait_until(lambda: phone.told(f"the disk of {node} is not well"), TOLD_SECONDS, "a message tells of it")
    return time.monotonic() - began


def _needs_a_log_file(db: Node, pid: int) -> bool:
    """Go on to the next file of the write-ahead log; whether PostgreSQL fell over for it, as it does without room."""
    db.says(
        f"{_PSQL} -c \"SELECT pg_logical_emit_message(false, '', '')\" -c 'SELECT pg_switch_wal()'",
        timeout=20,
    )
    return db.main_pid(POSTGRESQL) != pid


def test_disk_of_the_database_full(trading: Road, tell: Tell, phone: Phone) -> None:
    db = trading.bed.db
    with nothing_lost(trading):
        pid = db.main_pid(POSTGRESQL)
        with _full(trading.bed, "db"):
            wait_until(
                lambda: _needs_a_log_file(db, pid), 120, "PostgreSQL needs another file of its log", every=0.1
            )
            told = _alarm(trading, phone, "db")
            seen = watch_pages(trading, 5)
        back = all_back(trading, BACK_SECONDS)
        # Every row is read.
        db.console("runuser -u postgres -- pg_dumpall > /dev/null", timeout=300)
    assert seen.refused == []
    wait_until(lambda: phone.told("the disk of db is back"), TOLD_SECONDS, "people are told of its end")
    tell("db's disk full, then freed", f"PostgreSQL fell over; told after {told:.0f} s; {seen}", back)


def test_disk_of_the_bars_full(trading: Road, tell: Tell, phone: Phone) -> None:
    compute = trading.bed.compute
    with nothing_lost(trading):
        with _full(trading.bed, "compute"):
            run = trading.ingest_anew()
            assert trading.end_of(run, 300) == "FAILURE"
            wait_until(
                lambda: "the disk is full" in trading.page("/system").body, 60, "System tells why it failed"
            )
            told = _alarm(trading, phone, "compute")
            assert trading_state(trading) == {"ok"}
        began = time.monotonic()
        again = trading.ingest_anew()
        assert finished_or_retried(trading, again, BACK_SECONDS) == "finished"
        back = time.monotonic() - began
        # Every file of the store is read.
        compute.console(
            "cd /var/lib/falcon/market_data && /opt/falcon/venv/bin/python -c 'import polars, pathlib; "
            '[polars.read_parquet(path) for path in pathlib.Path(".").rglob("*.parquet")]\'',
            timeout=300,
        )
    wait_until(lambda: phone.told("the disk of compute is back"), TOLD_SECONDS, "people are told of its end")
    tell("compute's disk full, then freed", f"run says why; told after {told:.0f} s; trading goes on", back)
