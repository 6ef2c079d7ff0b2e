"""Open pages are told which tables changed, again after PostgreSQL was away, and let the process stop."""

import json
import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from queue import Queue

import pytest
from sqlalchemy import text

from falcon_pipelines.db.engine import database_engine
from tests.dashboard.processes import free_port, start_dashboard, wait_until_ready


@pytest.fixture
def address(database_url: str) -> Iterator[str]:
    """A dashboard process over an empty database."""
    port = free_port()
    process = start_dashboard(database_url, port)
    wait_until_ready(port)
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0, "open streams must not keep the process from stopping"


def listen(address: str) -> "Queue[list[str]]":
    """The changes that a browser at /live is told of, from now on."""
    changes: Queue[list[str]] = Queue()
    stream = urllib.request.urlopen(f"{address}/live", timeout=60)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert stream.readline() == b"retry: 2000\n"

    def read() -> None:
        for line in stream:
            if line.startswith(b"data: "):
                changes.put(json.loads(line[6:]))

    threading.Thread(target=read, daemon=True).start()
    return changes


def insert(url: str) -> None:
    """An account and a transcript, in one transaction."""
    engine = database_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO transcripts (id, title, origin, words, original) VALUES ('a', 'b', 'c', '[]', '')"
            )
        )
    engine.dispose()


def test_a_commit_is_told_with_the_name_of_its_table(address: str, database_url: str) -> None:
    changes = listen(address)
    seen: set[str] = set()
    insert(database_url)
    while "transcripts" not in seen:
        seen |= set(changes.get(timeout=20))


def test_after_the_connection_was_lost_everything_is_read_again(address: str, database_url: str) -> None:
    changes = listen(address)
    engine = database_engine(database_url)
    with engine.connect() as connection:
        for pid in connection.scalars(
            text(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
            )
        ):
            os.kill(pid, signal.SIGTERM)
    engine.dispose()
    seen: set[str] = set()
    while "*" not in seen:
        seen |= set(changes.get(timeout=20))
    insert(database_url)
    while "transcripts" not in seen:
        seen |= set(changes.get(timeout=20))
