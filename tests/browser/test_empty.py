"""A Falcon that holds nothing yet: every page says what belongs there and how it comes there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from falcon_pipelines.db.embedded import EmbeddedPostgres
from tests.browser.test_dashboard import WIDTHS, serious_findings
from tests.conftest import new_database
from tests.dashboard.processes import free_port, start_dashboard, wait_until_ready

pytestmark = pytest.mark.browser

PAGES = ("", "screens", "strategies", "videos", "trading", "data", "system")


@pytest.fixture(scope="module")
def empty_dashboard(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Address of a dashboard over a database with tables and no rows."""
    with new_database(postgres, template="falcon") as url:
        port = free_port()
        process = start_dashboard(url, port)
        assert wait_until_ready(port) == 200
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(("width", "theme"), [("desktop", "light"), ("phone", "dark")])
@pytest.mark.parametrize("path", PAGES)
def test_an_empty_page_is_designed(
    chromium: Browser, empty_dashboard: str, screenshots: Path, path: str, width: str, theme: str
) -> None:
    context = chromium.new_context(viewport=WIDTHS[width], color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{empty_dashboard}/{path}")
    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator(".empty").first).to_be_visible()
    page.screenshot(path=screenshots / f"empty-{path or 'today'}-{width}-{theme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
    assert serious_findings(page) == []
    context.close()
