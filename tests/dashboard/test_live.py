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

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from tests.dashboard.processes import free_port, frozen, start_dashboard, wait_until_ready


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
    """What a browser at /live is told from now on: tables that changed, or whether the database is `up` or `down`."""
    changes: Queue[list[str]] = Queue()
    stream = urllib.request.urlopen(f"{address}/live", timeout=60)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert stream.readline() == b"retry: 2000\n"

    def read() -> None:
        event = b""
        for line in stream:
            if line.startswith(b"event: "):
                event = line[7:].strip()
            if line.startswith(b"data: "):
                said = line[6:].strip()
                changes.put(json.loads(said) if event == b"changes" else [said.decode()])

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


def test_a_database_that_hangs_is_told_within_seconds_and_so_is_its_return(
    address: str, database_url: str, postgres: EmbeddedPostgres
) -> None:
    told = listen(address)
    wait_for(told, "up")
    with frozen(postgres, database_url):
        wait_for(told, "down")
    wait_for(told, "up")
    wait_for(told, "*")


def test_the_process_stops_while_the_database_hangs(database_url: str, postgres: EmbeddedPostgres) -> None:
    port = free_port()
    process = start_dashboard(database_url, port)
    assert wait_until_ready(port) == 200
    told = listen(f"http://127.0.0.1:{port}")
    wait_for(told, "up")
    with frozen(postgres, database_url):
        wait_for(told, "down")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def wait_for(told: "Queue[list[str]]", word: str) -> None:
    """Until the browser has heard it."""
    while word not in told.get(timeout=20):
        pass
