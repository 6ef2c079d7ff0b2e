"""An open page follows the database: changes appear by themselves, an outage is said and survived."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, text

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from tests.browser.test_dashboard import serious_findings
from tests.dashboard.processes import free_port, frozen, start_dashboard, wait_until_ready
from tests.dashboard.seed import seeded_database

pytestmark = pytest.mark.browser

SECONDS = 15_000
"""How soon an open page says that it is stale, in milliseconds, on a busy machine."""


@pytest.fixture
def live_url(postgres: EmbeddedPostgres) -> str:
    """A seeded database of this test's own."""
    return seeded_database(postgres, "seeded_live")


@dataclass
class Open:
    """A page in a browser, and the dashboard that it is of."""

    page: Page
    port: int
    process: subprocess.Popen[str]


@pytest.fixture
def today(chromium: Browser, live_url: str, postgres: EmbeddedPostgres) -> Iterator[Open]:
    """Today, open in a browser."""
    port = free_port()
    process = start_dashboard(live_url, port)
    assert wait_until_ready(port) == 200
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    opened = Open(page, port, process)
    yield opened
    context.close()
    opened.process.terminate()
    assert opened.process.wait(timeout=30) == 0
    admin = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE seeded_live WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def page(today: Open) -> Page:
    """The page alone."""
    return today.page


def reprice(url: str, price: Decimal) -> None:
    """A new last price of AAPL."""
    engine = database_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE position_marks SET price = :price WHERE ticker = 'AAPL'"), {"price": price}
        )
    engine.dispose()


def allow_connections(postgres: EmbeddedPostgres, allowed: bool) -> None:
    """Let the database go away under everybody, or come back."""
    admin = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE seeded_live ALLOW_CONNECTIONS {allowed}"))
        if not allowed:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'seeded_live'")
            )
    admin.dispose()


def test_a_new_price_appears_without_a_reload_and_the_sorting_stays(page: Page, live_url: str) -> None:
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    page.locator("#positions-table").get_by_role("button", name="Ticker").click()
    page.locator("#positions-table").get_by_role("button", name="Ticker").click()
    reprice(live_url, Decimal("250.5"))
    expect(page.locator("#positions-table")).to_contain_text("250.50")
    headings = [heading.strip() for heading in page.locator("#positions-table tbody th").all_inner_texts()]
    assert headings == ["TSLA short", "KTOS", "AAPL"]


def test_an_outage_is_said_and_an_open_page_recovers(
    page: Page, live_url: str, postgres: EmbeddedPostgres, screenshots: Path
) -> None:
    state, notice = page.locator("[data-live-state]"), page.locator(".stale-notice")
    expect(state).to_have_text("Live")
    allow_connections(postgres, False)
    expect(notice).to_contain_text("The database does not answer.", timeout=SECONDS)
    expect(state).to_have_text("Stale")
    page.screenshot(path=screenshots / "database-down-open-page.png")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("heading", level=1)).to_have_text("The database does not answer")
    other.screenshot(path=screenshots / "database-down-new-page.png")
    assert serious_findings(page) == []
    assert serious_findings(other) == []
    allow_connections(postgres, True)
    reprice(live_url, Decimal("199.25"))
    expect(page.locator("#positions-table")).to_contain_text("199.25", timeout=20_000)
    expect(notice).to_have_count(0, timeout=SECONDS)
    expect(state).to_have_text("Live")
    expect(other.locator("#positions-table")).to_contain_text("199.25", timeout=20_000)


def test_a_database_that_hangs_is_said_and_an_open_page_recovers(
    page: Page, live_url: str, postgres: EmbeddedPostgres
) -> None:
    notice = page.locator(".stale-notice")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    with frozen(postgres, live_url):
        expect(notice).to_contain_text("The database does not answer.", timeout=SECONDS)
        expect(page.locator("#positions-table")).to_contain_text("AAPL")
    reprice(live_url, Decimal("198.75"))
    expect(page.locator("#positions-table")).to_contain_text("198.75", timeout=30_000)
    expect(notice).to_have_count(0, timeout=SECONDS)


def test_a_restarted_dashboard_is_found_again_and_nothing_is_lost(today: Open, live_url: str) -> None:
    page, notice = today.page, today.page.locator(".stale-notice")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    page.locator("#positions-table").get_by_role("button", name="Ticker").dblclick()
    today.process.terminate()
    assert today.process.wait(timeout=30) == 0
    expect(notice).to_contain_text("The dashboard does not answer.", timeout=SECONDS)
    reprice(live_url, Decimal("201.5"))
    today.process = start_dashboard(live_url, today.port)
    expect(page.locator("#positions-table")).to_contain_text("201.50", timeout=30_000)
    expect(notice).to_have_count(0, timeout=SECONDS)
    headings = [heading.strip() for heading in page.locator("#positions-table tbody th").all_inner_texts()]
    assert headings == ["TSLA short", "KTOS", "AAPL"]


def test_a_dashboard_that_hangs_is_said_and_an_open_page_recovers(today: Open, live_url: str) -> None:
    page, notice = today.page, today.page.locator(".stale-notice")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    os.kill(today.process.pid, signal.SIGSTOP)
    try:
        expect(notice).to_contain_text("The dashboard does not answer.", timeout=2 * SECONDS)
    finally:
        os.kill(today.process.pid, signal.SIGCONT)
    reprice(live_url, Decimal("202.5"))
    expect(page.locator("#positions-table")).to_contain_text("202.50", timeout=30_000)
    expect(notice).to_have_count(0, timeout=SECONDS)
