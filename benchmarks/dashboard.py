"""Times the pages and the API at 20 requests a second over a database of full size; the dashboard has one core.

Requests start on the clock whether or not the one before has been answered, so waiting counts. PostgreSQL and the
asking process share what cores are left. Run with a folder to keep the seeded database for the next time. The load of
the machine is printed too: on one that is busy with other things the times say how long they waited for it.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks.dashboard_data import BACKTESTS, FILLS, PICKS_A_RUN, SCREEN_RUNS, is_seeded, seed
from falcon_pipelines.dashboard.access.policy import AccessPolicy
from falcon_pipelines.dashboard.app import create_app
from falcon_pipelines.db.embedded import embedded_postgres
from falcon_pipelines.db.migrate import upgrade

RATE = 20.0
SECONDS = 30.0
PAGE_MS, API_MS, PAINT_MS, MEMORY_MB, QUERIES = 150, 50, 1000, 150, 12
SESSION_KEY = "k" * 40
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"

PAGES = (
    "/", "/screens", "/screens/99999", "/strategies", "/strategies/2500", "/videos", "/trading", "/data", "/system",
)  # fmt: skip
API = (
    "/api/v1/overview", "/api/v1/accounts/1/equity", "/api/v1/accounts/1/positions", "/api/v1/orders?account=1",
    "/api/v1/fills?account=1", "/api/v1/candidates", "/api/v1/strategies", "/api/v1/strategies/2500",
    "/api/v1/backtests/10000/equity?points=1000", "/api/v1/screens", "/api/v1/data", "/api/v1/data/coverage",
    "/api/v1/checks", "/api/v1/runs", "/api/v1/notifications", "/api/v1/services", "/api/v1/spending",
    "/api/v1/system", "/api/v1/videos",
)  # fmt: skip


def main(keep: Path | None) -> None:
    """Seed, serve, ask, print."""
    folder = keep or Path(tempfile.mkdtemp(prefix="falcon-bench-"))
    try:
        with embedded_postgres(folder) as server:
            url = server.url("falcon")
            upgrade(url)
            if not is_seeded(url):
                started = time.perf_counter()
                seed(url)
                print(f"seeded in {time.perf_counter() - started:.0f} s")
            _measure(url)
            for path, count in _queries(url).items():
                _line(f"page {path}, queries", count, QUERIES)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _measure(url: str) -> None:
    port = _free_port()
    process = _start(url, port)
    try:
        _wait(port)
        for path in (*PAGES, *API):
            _ask(port, path)
        print(
            f"{FILLS:,} fills, {SCREEN_RUNS * PICKS_A_RUN:,} picks, {BACKTESTS:,} backtests; "
            f"{RATE:.0f} requests a second for {SECONDS:.0f} s each"
        )
        for path in (*PAGES, *API):
            print(f"{path:<48}{_cpu_ms(process.pid, port, path):>8.0f} ms of CPU in the dashboard, alone")
        pages, api = _hammer(port, PAGES), _hammer(port, API)
        print(f"{os.getloadavg()[0]:.1f} processes wanted one of {os.cpu_count()} cores in the last minute")
        memory = psutil.Process(process.pid).memory_full_info().uss / 1e6
        for title, taken, target in (("page", pages, PAGE_MS), ("API", api, API_MS)):
            for path, times in taken.items():
                _line(f"{title} {path}", float(np.percentile(times, 95, method="higher")), target)
            _line(
                f"{title}, all, p95",
                float(np.percentile(np.concatenate(list(taken.values())), 95, method="higher")),
                target,
            )
        _line("memory, MB", memory, MEMORY_MB)
        paint = _first_paint(port)
        if paint is not None:
            _line("Today, first paint", paint, PAINT_MS)
    finally:
        process.terminate()
        process.wait(10)


def _line(name: str, value: float, target: float) -> None:
    print(f"{name:<48}{value:>8.0f}   target {target:>5}   {target / value:6.1f} times better")


def _hammer(port: int, paths: Sequence[str]) -> dict[str, list[float]]:
    """Milliseconds each request took, by path; one that failed took for ever."""
    taken: dict[str, list[float]] = defaultdict(list)

    def ask(path: str) -> None:
        started = time.perf_counter()
        try:
            _ask(port, path)
        except (urllib.error.URLError, TimeoutError):
            taken[path].append(float("inf"))
        else:
            taken[path].append((time.perf_counter() - started) * 1000)

    begun = time.perf_counter()
    threads = []
    for number in range(int(RATE * SECONDS)):
        time.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
        thread = threading.Thread(target=ask, args=(paths[number % len(paths)],))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    return dict(taken)


def _ask(port: int, path: str) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        answer.read()


def _cpu_ms(pid: int, port: int, path: str, repeat: int = 10) -> float:
    """What a request costs the dashboard, in CPU time, which a busy machine does not change."""
    process = psutil.Process(pid)
    before = process.cpu_times()
    for _ in range(repeat):
        _ask(port, path)
    after = process.cpu_times()
    return 1000 * (after.user + after.system - before.user - before.system) / repeat


def _queries(url: str) -> dict[str, int]:
    """Statements that each page sends to PostgreSQL."""
    sent: list[str] = []
    event.listen(Engine, "before_cursor_execute", lambda *execution: sent.append(execution[2]))
    counts = {}
    app = create_app(url, AccessPolicy(session_key=SESSION_KEY, login=False))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for path in PAGES:
            sent.clear()
            client.get(path).raise_for_status()
            counts[path] = len(sent)
    return counts


def _first_paint(port: int) -> float | None:
    """Milliseconds until Chromium shows the first words of Today, the best of three; None without Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        painted = []
        for _ in range(3):
            page.goto(f"http://127.0.0.1:{port}/")
            # Asked again from here: the page's policy forbids a script that waits inside it.
            while (at := page.evaluate(_PAINTED)) is None:
                page.wait_for_timeout(10)
            painted.append(float(at))
        browser.close()
    return min(painted)


def _start(url: str, port: int) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FALCON_")}
    environment |= {
        "FALCON_DATABASE_URL": url,
        "FALCON_DASHBOARD_PORT": str(port),
        "FALCON_DASHBOARD_LOGIN": "off",
        "FALCON_SESSION_KEY": SESSION_KEY,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "falcon_pipelines.dashboard.server"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    psutil.Process(process.pid).cpu_affinity([0])
    return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    for _ in range(3000):
        try:
            return _ask(port, "/readyz")
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the dashboard did not answer")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
