"""`falcon demo` as a newcomer runs it: the whole road, twice, in two folders, killed in the middle, and served."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest
from sqlalchemy import create_engine, text

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.embedded import embedded_postgres

Document = dict[str, Any]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "falcon_pipelines", *arguments]


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FALCON_", "DAGSTER_"))}
    return {**kept, "FALCON_HOME": str(home), **more}


def run_demo(home: Path) -> Document:
    done = subprocess.run(
        command("demo", "--no-serve", "--json"),
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document: Document = json.loads(done.stdout)
    return document


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Not one of pytest's folders: see the `postgres` fixture."""
    with tempfile.TemporaryDirectory(prefix="falcon-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def first(home: Path) -> Document:
    """The first run's document."""
    return run_demo(home)


def query(home: Path, database: str, statement: str) -> list[tuple[Any, ...]]:
    with embedded_postgres(home) as server:
        engine = create_engine(server.url(database))
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(statement))]
        engine.dispose()
    return rows


def all_processes() -> Iterator[psutil.Process]:
    return psutil.process_iter(["cmdline"])


FILLS = """
    SELECT o.ticker, o.side, f.quantity, f.price, f.fee, f.filled_at, f.id
    FROM fills f JOIN orders o ON o.id = f.order_id ORDER BY f.filled_at, o.id, f.id
"""


def test_the_whole_road_leaves_one_document(first: Document) -> None:
    assert first["synthetic"] is True
    assert first["sessions"] == 750
    assert first["bars"] > 149_000
    assert first["quarantined"] == 1
    assert first["candidates"] == 20
    assert first["specs"] == 2
    assert first["backtests"] == 2
    assert first["fills"] > 0
    assert first["final_equity"] > 0
    assert first["peak_memory_mb"] < 1536
    assert {"seconds", "urls", "version"} <= first.keys()
    assert all(line["verdict"] and line["reason"] for line in first["strategies"])


def test_every_step_is_a_dagster_run_that_succeeded(first: Document, home: Path) -> None:
    runs = query(home, "dagster", "SELECT pipeline_name, status FROM runs")
    assert {status for _, status in runs} == {"SUCCESS"}
    assert {name for name, _ in runs} == {
        "ingest_day_bars",
        "ingest_corporate_actions",
        "ingest_minute_bars",
        "compute_features",
        "screen_market",
        "study_videos",
        "judge_strategies",
        "trade_on_paper",
    }


def test_the_books_balance_and_equity_follows_from_them(first: Document, home: Path) -> None:
    assert query(home, "falcon", "SELECT 1 FROM postings GROUP BY entry_id HAVING sum(amount) <> 0") == []
    [(equity,)] = query(home, "falcon", "SELECT equity FROM account_marks ORDER BY session DESC LIMIT 1")
    assert float(equity) == first["final_equity"]


def test_a_second_run_reuses_what_is_there(first: Document, home: Path) -> None:
    before = query(home, "dagster", "SELECT count(*) FROM runs")
    again = run_demo(home)
    assert query(home, "dagster", "SELECT count(*) FROM runs") == before
    changing = {"seconds", "peak_memory_mb"}
    assert {k: v for k, v in again.items() if k not in changing} == {
        k: v for k, v in first.items() if k not in changing
    }


def test_killed_in_the_middle_elsewhere_it_goes_on_to_the_same_fills(first: Document, home: Path) -> None:
    elsewhere = home / "elsewhere" / "folder"
    store = elsewhere / "market_data"
    with subprocess.Popen(
        command("demo", "--no-serve"), env=environment(elsewhere), stderr=subprocess.DEVNULL
    ) as demo:
        until(lambda: store.is_dir() and 0 < len(BarStore(store).sessions("day")) < 750)
        demo.send_signal(signal.SIGKILL)
    second = run_demo(elsewhere)
    assert second["final_equity"] == first["final_equity"]
    assert second["version"] == first["version"]
    assert query(elsewhere, "falcon", FILLS) == query(home, "falcon", FILLS)
    unfinished = "SELECT count(*) FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE')"
    assert query(elsewhere, "dagster", unfinished) == [(0,)]
    assert not any(str(elsewhere) in " ".join(process.info["cmdline"] or ()) for process in all_processes())


@pytest.fixture
def served(first: Document, home: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """`falcon demo` serving, and its two addresses."""
    dashboard, dagster = (str(port) for port in two_free_ports())
    with subprocess.Popen(
        command("demo"),
        env=environment(home, FALCON_DASHBOARD_PORT=dashboard, FALCON_DAGSTER_PORT=dagster),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Ctrl-C" in line:
                break
        yield process, f"http://127.0.0.1:{dashboard}", f"http://127.0.0.1:{dagster}"
        process.kill()


def two_free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def graphql(url: str, document: str) -> Any:
    body = json.dumps({"query": document}).encode()
    with urlopen(Request(f"{url}/graphql", data=body, headers={"Content-Type": "application/json"})) as reply:
        return json.load(reply)["data"]


def test_it_serves_both_pages_until_ctrl_c_which_stops_all_it_started(
    served: tuple[subprocess.Popen[str], str, str], first: Document
) -> None:
    process, dashboard, dagster = served
    with urlopen(f"{dashboard}/") as reply:
        page = reply.read().decode()
    assert "SYNTHETIC" in page.upper()
    assert first["paper_strategy"].split()[0].replace("_", " ") in page
    nodes = graphql(dagster, "{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { runId } } }")
    made = {node["assetKey"]["path"][0] for node in nodes["assetNodes"] if node["assetMaterializations"]}
    assert made >= {
        "day_bars",
        "screen_candidates",
        "strategy_specs",
        "backtests",
        "verdicts",
        "paper_trades",
    }

    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 3
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
