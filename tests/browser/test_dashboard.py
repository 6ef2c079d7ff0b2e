"""The dashboard in a real browser, at phone and desktop width, light and dark."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

pytestmark = pytest.mark.browser

WIDTHS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
CHARTED = {"today": "/", "strategy": "/strategies/1"}
PAGES = CHARTED | {
    "screens": "/screens",
    "screen": "/screens/1",
    "candidate": "/screens/1/NVDA",
    "profile": "/screens/profiles/momentum_pullback",
    "profile-editor": "/screens/profiles/new",
    "strategies": "/strategies",
    "strategy-untested": "/strategies/3",
    "videos": "/videos",
    "video": "/videos/demo0000001",
    "trading": "/trading",
    "trading-ticker": "/trading?account=1&ticker=AAPL",
    "data": "/data",
    "system": "/system",
    "not-found": "/nothing",
}

Open = Callable[..., Page]


def is_problem(message: ConsoleMessage, path: str) -> bool:
    """Whether the console shows an error; the status of a page that is meant to be missing is none."""
    expected = path == PAGES["not-found"] and "404" in message.text
    return message.type in ("error", "warning") and not expected


@pytest.fixture
def open_page(chromium: Browser, dashboard: str) -> Iterator[Open]:
    """Opens an address of the dashboard; the test fails when the console showed an error."""
    problems: list[str] = []
    contexts = []

    def open_(path: str, width: str = "desktop", theme: str = "light") -> Page:
        context = chromium.new_context(
            viewport=WIDTHS[width],  # type: ignore[arg-type]
            color_scheme=theme,  # type: ignore[arg-type]
        )
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda m: problems.append(f"{m.text} {m.location}") if is_problem(m, path) else None
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(dashboard + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
@pytest.mark.parametrize("name", list(PAGES))
def test_each_page_draws_fits_the_screen_and_has_no_serious_accessibility_finding(
    open_page: Open, screenshots: Path, name: str, width: str, theme: str
) -> None:
    page = open_page(PAGES[name], width, theme)
    if name in CHARTED:
        expect(page.locator(".chart[data-drawn] .main-svg path.js-line").first).to_be_attached()
    expect(page.locator("h1").first).to_be_visible()
    page.screenshot(path=screenshots / f"{name}-{width}-{theme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
    assert serious_findings(page) == []


def serious_findings(page: Page) -> list[tuple[str, str, list[str]]]:
    """What axe finds that keeps people out, with the elements."""
    return [
        (finding["id"], finding["help"], [node["html"][:200] for node in finding["nodes"][:3]])
        for finding in Axe().run(page).response["violations"]
        if finding["impact"] in ("serious", "critical")
    ]


README = ("today", "strategy", "data", "system")


@pytest.mark.parametrize("name", README)
def test_the_readmes_pictures_are_of_pages_as_they_are(open_page: Open, pictures: Path, name: str) -> None:
    page = open_page(PAGES[name])
    if name in CHARTED:
        expect(page.locator(".chart[data-drawn] .main-svg path.js-line").first).to_be_attached()
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    page.screenshot(
        path=pictures / f"{name}.png", clip={"x": 0, "y": 0, "width": 1280, "height": 1200}, full_page=True
    )


def test_the_chart_shows_strategy_and_benchmark_and_names_both_ends(open_page: Open) -> None:
    page = open_page("/")
    chart = page.locator(".chart[data-drawn]")
    expect(chart).to_have_attribute("data-drawn", "60")
    expect(chart.locator("path.js-line")).to_have_count(2)
    expect(chart).to_have_attribute("aria-label", "Equity from $100,000 to $103,043, benchmark $105,257")


def test_a_position_leads_to_its_bars_and_fills(open_page: Open) -> None:
    page = open_page("/")
    page.locator("#positions-table").get_by_role("link", name="AAPL").click()
    chart = page.locator(".price-chart[data-drawn]")
    expect(chart).to_have_attribute(
        "aria-label", re.compile("stop \\$221.50, target \\$262.00; 2 of its fills are marked")
    )
    expect(chart.locator(".scatterlayer .point")).to_have_count(2)
    assert set(first_column(page, "fills-table")) == {"AAPL"}


def test_the_theme_is_switched_and_remembered(open_page: Open) -> None:
    page = open_page("/", theme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == dark
    expect(page.get_by_role("button", name="Light")).to_be_visible()


def test_a_page_is_walked_with_the_keyboard(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    link = page.get_by_role("link", name="golden cross")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("golden cross")


def first_column(page: Page, table: str) -> list[str]:
    """The row headings of a table, top to bottom."""
    return [text.strip() for text in page.locator(f"#{table} tbody th").all_inner_texts()]


def test_a_table_sorts_by_its_headers(open_page: Open) -> None:
    page = open_page("/trading")
    header = page.locator("#positions-table").get_by_role("button", name="Unrealised USD")
    header.click()
    assert first_column(page, "positions-table") == ["AAPL", "KTOS", "TSLA short"]
    header.click()
    assert first_column(page, "positions-table") == ["TSLA short", "KTOS", "AAPL"]
    expect(page.locator("#positions-table th[aria-sort=ascending]")).to_contain_text("Unrealised")
    page.locator("#positions-table").get_by_role("button", name="Stop USD").click()
    assert first_column(page, "positions-table")[0] == "AAPL"


def test_a_long_table_is_filtered_and_exported(open_page: Open) -> None:
    page = open_page("/trading")
    orders = page.locator("#orders")
    orders.get_by_label("Filter these rows").fill("aapl")
    assert first_column(page, "orders-table") == ["AAPL"] * 4
    expect(orders.get_by_role("status")).to_have_text("1–4 of 4")
    with page.expect_download() as download:
        orders.get_by_role("button", name="CSV").click()
    exported = Path(download.value.path()).read_text()
    assert download.value.suggested_filename == "orders.csv"
    assert len(exported.splitlines()) == 5
    assert '"AAPL","sell","limit","80","0","262.00"' in exported


def test_a_long_table_is_paged(open_page: Open) -> None:
    page = open_page("/strategies/2")
    trades = page.locator("#trades")
    assert len(first_column(page, "trades-table")) == 50
    trades.get_by_role("button", name="Next").click()
    assert len(first_column(page, "trades-table")) == 8
    expect(trades.get_by_role("button", name="Next")).to_be_disabled()


def test_a_server_side_filter_and_its_export_agree(open_page: Open) -> None:
    page = open_page("/strategies")
    page.get_by_label("Verdict").select_option("insufficient evidence")
    page.get_by_role("button", name="Show").click()
    assert first_column(page, "leaderboard-table")[0].startswith("golden cross")
    expect(page.locator("#leaderboard-table tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="all as CSV").click()
    exported = Path(download.value.path()).read_text().splitlines()
    assert [line.split(",")[1] for line in exported] == ["name", "golden_cross"]


def test_the_best_and_the_worst_cell_of_a_heatmap_differ_in_colour(open_page: Open) -> None:
    page = open_page("/strategies/1")
    colours = {
        text: page.locator(".heatmap td", has_text=text).evaluate(
            "cell => getComputedStyle(cell).backgroundColor"
        )
        for text in ("0.91", "\N{MINUS SIGN}0.20")
    }
    assert len(set(colours.values())) == 2


def test_details_open_with_the_keyboard(open_page: Open) -> None:
    page = open_page("/strategies/1")
    summary = page.get_by_text("1 value that nobody stated")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("exit.stop = 8 percent")).to_be_visible()
