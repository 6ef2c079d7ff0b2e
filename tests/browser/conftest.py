"""A dashboard as its own process over seeded content, and Debian's Chromium to look at it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from falcon_pipelines.db.embedded import EmbeddedPostgres
from tests.dashboard.processes import ROOT, free_port, start_dashboard, wait_until_ready
from tests.dashboard.seed import seeded_database

expect.set_options(timeout=30_000)  # a busy machine does not make a test fail
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def dashboard(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Address of a dashboard over seeded content."""
    port = free_port()
    process = start_dashboard(seeded_database(postgres, "seeded_browser"), port)
    assert wait_until_ready(port) == 200
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    assert process.wait(timeout=30) == 0


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


@pytest.fixture(scope="session")
def pictures(screenshots: Path) -> Path:
    """Where the README's pictures go: FALCON_PICTURES (docs/images in `make pictures`), else beside the others."""
    folder = Path(os.environ.get("FALCON_PICTURES", screenshots / "readme"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
