"""The dashboard in a real browser, at phone and desktop width, light and dark."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

WIDTHS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
PAGES = {"today": "/", "strategy": "/strategies/1"}

Open = Callable[..., Page]


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
        page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
        page.goto(dashboard + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
@pytest.mark.parametrize("name", list(PAGES))
def test_each_page_draws_without_console_errors_and_fits_the_screen(
    open_page: Open, screenshots: Path, name: str, width: str, theme: str
) -> None:
    page = open_page(PAGES[name], width, theme)
    expect(page.locator(".chart[data-drawn] .main-svg path.js-line").first).to_be_attached()
    page.screenshot(path=screenshots / f"{name}-{width}-{theme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]


def test_the_chart_shows_strategy_and_benchmark_and_names_both_ends(open_page: Open) -> None:
    page = open_page("/")
    chart = page.locator(".chart[data-drawn]")
    expect(chart).to_have_attribute("data-drawn", "60")
    expect(chart.locator("path.js-line")).to_have_count(2)
    expect(chart).to_have_attribute("aria-label", "Equity from $100,000 to $103,043, benchmark $105,257")


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
