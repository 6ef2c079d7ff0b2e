"""A dashboard as its own process over seeded content, and Debian's Chromium to look at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from falcon_pipelines.db.embedded import EmbeddedPostgres
from tests.dashboard.seed import seeded_database

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    """A port nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(url: str, port: int) -> subprocess.Popen[bytes]:
    """A running dashboard process."""
    environment = os.environ | {"FALCON_DATABASE_URL": url, "FALCON_DASHBOARD_PORT": str(port)}
    command = [sys.executable, "-W", "ignore", "-m", "falcon_pipelines.dashboard.server"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return process
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the dashboard never listened")


@pytest.fixture(scope="session")
def dashboard(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Address of a dashboard over seeded content."""
    port = free_port()
    process = serve(seeded_database(postgres, "seeded_browser"), port)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    assert process.wait(timeout=10) == 0


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where screenshots are kept: FALCON_SCREENSHOTS, else build/screenshots in the checkout."""
    folder = Path(os.environ.get("FALCON_SCREENSHOTS", ROOT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
