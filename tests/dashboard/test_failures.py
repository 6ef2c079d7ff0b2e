"""What is answered while PostgreSQL is down, frozen, refuses, or has another schema."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from falcon_pipelines.dashboard.app import create_app
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.watching.remembered import Outage, remember
from tests.dashboard.clients import LOOPBACK, OPEN, as_web, open_client
from tests.dashboard.processes import ROOT, free_port, frozen, start_dashboard, wait_until_ready
from tests.dashboard.seed import seed

NOWHERE = "postgresql://nobody:s3cr3t-password@127.0.0.1:9/falcon"


@pytest.fixture
def down() -> Iterator[TestClient]:
    """A dashboard whose database is not there."""
    with open_client(NOWHERE) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/strategies/1"])
def test_without_a_database_every_page_says_so_and_comes_back_by_itself(down: TestClient, path: str) -> None:
    response = down.get(path)
    assert response.status_code == 503
    assert "The database does not answer" in response.text
    assert 'data-every="5"' in response.text
    assert response.headers["Retry-After"] == "5"
    assert "s3cr3t" not in response.text


def test_without_a_database_the_process_is_healthy_but_not_ready(down: TestClient) -> None:
    assert down.get("/healthz").status_code == 200
    ready = down.get("/readyz")
    assert ready.status_code == 503
    assert "not available" in ready.json()["status"]
    assert "s3cr3t" not in ready.text


def test_without_a_database_the_api_answers_503_as_json(down: TestClient) -> None:
    response = down.get("/api/v1/overview")
    assert response.status_code == 503
    assert response.json() == {"detail": "the database does not answer"}


def test_ready_names_the_schema_revision(empty: TestClient) -> None:
    assert empty.get("/readyz").json()["status"] == "ok"


def test_another_schema_is_told_from_a_dead_database(database_url: str) -> None:
    engine = database_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        connection.execute(text("DROP TABLE accounts CASCADE"))
    engine.dispose()
    with open_client(database_url) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "falcon db upgrade" in ready.json()["status"]
        page = client.get("/")
        assert page.status_code == 503
        assert "another schema" in page.text


def test_a_frozen_database_is_given_up_on_and_the_page_recovers(
    database_url: str, postgres: EmbeddedPostgres
) -> None:
    seed(database_url)
    app = create_app(as_web(database_url), OPEN)
    with TestClient(app, base_url=LOOPBACK) as client:
        until_it_answers(client)
        with frozen(postgres, database_url), ThreadPoolExecutor(8) as pool:
            # More of them than there are connections: none may have to wait for another.
            answers = list(pool.map(client.get, ["/", "/trading", "/data", "/api/v1/overview"] * 6))
            assert [answer.status_code for answer in answers] == [503] * 24
        until_it_answers(client)


def until_it_answers(client: TestClient) -> None:
    """Asks for Today until it is shown, as an open page does."""
    deadline = time.monotonic() + 60
    while client.get("/").status_code != 200:
        assert time.monotonic() < deadline


def test_a_page_cannot_write(database_url: str) -> None:
    app = create_app(as_web(database_url), OPEN)
    with TestClient(app, base_url=LOOPBACK) as client:
        statement = text("DELETE FROM transcripts")

        @app.get("/write")
        async def write() -> None:
            await app.state.database.read(lambda session: session.execute(statement))

        with pytest.raises(Exception, match="read-only transaction"):
            client.get("/write")


@pytest.mark.parametrize(
    "statement", ["DELETE FROM transcripts", "DROP TABLE fills", "SELECT * FROM pg_authid"]
)
def test_even_where_it_writes_the_dashboard_may_not(database_url: str, statement: str) -> None:
    app = create_app(as_web(database_url), OPEN)
    with TestClient(app, base_url=LOOPBACK, raise_server_exceptions=False) as client:

        @app.get("/write")
        async def write() -> None:
            await app.state.database.write(lambda session: session.execute(text(statement)))

        assert client.get("/write").status_code == 503
        assert client.get("/videos").status_code == 200


def test_reading_needs_neither_pandas_nor_dagster_nor_numba() -> None:
    code = (
        "import sys, falcon_pipelines.dashboard.server;"
        "heavy = {'pandas', 'numpy', 'numba', 'polars', 'vectorbt', 'dagster', 'plotly'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_process_serves_and_stops_cleanly(database_url: str, stop: signal.Signals) -> None:
    port = free_port()
    process = start_dashboard(database_url, port, errors=subprocess.PIPE)
    try:
        assert wait_until_ready(port) == 200
        process.send_signal(stop)
        assert process.wait(timeout=10) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()


def test_a_taken_port_is_one_clear_line(database_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start_dashboard(database_url, port, errors=subprocess.PIPE)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.strip().splitlines() == [
        f"falcon dashboard: the dashboard cannot listen on 127.0.0.1:{port}: Address already in use; "
        "stop what is there or set FALCON_DASHBOARD_PORT"
    ]


@pytest.mark.parametrize(("url", "exit_code"), [(None, 2), ("mysql://localhost/x", 2), ("nonsense", 2)])
def test_a_wrong_database_url_is_one_clear_line(url: str | None, exit_code: int, tmp_path: Path) -> None:
    process = start_dashboard(url, free_port(), home=tmp_path, errors=subprocess.PIPE)
    _, err = process.communicate(timeout=30)
    assert process.returncode == exit_code
    assert len(err.strip().splitlines()) == 1
    assert "FALCON_DATABASE_URL" in err


def test_what_the_watch_on_this_node_sees_is_told_with_and_without_a_database(
    empty: TestClient, down: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "outages.json"
    full = Outage("2026-11-23T15:00:00+00:00", "/var/lib/postgresql has 0.0 of 2.0 GiB left (0 %)", looks=2)
    remember(file, {"the disk of db": full})
    monkeypatch.setenv("FALCON_OUTAGES_FILE", str(file))
    surroundings.cache_clear()
    try:
        for client in (empty, down):
            assert f"The disk of db is not well: {full.problem}" in client.get("/").text
        notices = empty.get("/api/v1/overview").json()["notices"]
        assert notices[0] == {
            "kind": "act",
            "message": f"The disk of db is not well: {full.problem}",
            "link": None,
        }
    finally:
        surroundings.cache_clear()
