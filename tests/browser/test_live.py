"""An open page follows the database: changes appear by themselves, an outage is said and survived."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, text

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from tests.dashboard.processes import free_port, start_dashboard, wait_until_ready
from tests.dashboard.seed import seeded_database

pytestmark = pytest.mark.browser


@pytest.fixture
def live_url(postgres: EmbeddedPostgres) -> str:
    """A seeded database of this test's own."""
    return seeded_database(postgres, "seeded_live")


@pytest.fixture
def page(chromium: Browser, live_url: str, postgres: EmbeddedPostgres) -> Iterator[Page]:
    """Today, open in a browser."""
    port = free_port()
    process = start_dashboard(live_url, port)
    assert wait_until_ready(port) == 200
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    yield page
    context.close()
    process.terminate()
    assert process.wait(timeout=10) == 0
    admin = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE seeded_live WITH (FORCE)"))
    admin.dispose()


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
    page: Page, live_url: str, postgres: EmbeddedPostgres
) -> None:
    state = page.locator("[data-live-state]")
    expect(state).to_have_text("Live")
    allow_connections(postgres, False)
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("heading", level=1)).to_have_text("The database does not answer")
    allow_connections(postgres, True)
    reprice(live_url, Decimal("199.25"))
    expect(page.locator("#positions-table")).to_contain_text("199.25", timeout=20_000)
    expect(other.locator("#positions-table")).to_contain_text("199.25", timeout=20_000)
