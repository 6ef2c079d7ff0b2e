"""The main flows in a real browser: logging in, asking for things, being told what is wrong, confirming."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, select, text

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import Decision, OperatorCommand, Request
from falcon_pipelines.db.requests import answer
from tests.browser.test_dashboard import WIDTHS, serious_findings
from tests.dashboard.clients import PASSWORD, make_user
from tests.dashboard.processes import free_port, start_dashboard, wait_until_ready
from tests.dashboard.seed import seeded_database

pytestmark = pytest.mark.browser

ACCOUNT = "rsi_pullback paper"
VIEWS = [("desktop", "light"), ("phone", "dark")]


@pytest.fixture(scope="module")
def asking_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A seeded database with the operator ann and the viewer vic."""
    url = seeded_database(postgres, "seeded_asking", readings=True)
    make_user(url, "ann", "operator")
    make_user(url, "vic", "viewer")
    yield url
    admin = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE seeded_asking WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="module")
def address(asking_url: str) -> Iterator[str]:
    """A dashboard behind a login."""
    port = free_port()
    process = start_dashboard(asking_url, port, login="on")
    assert wait_until_ready(port) == 200
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    assert process.wait(timeout=30) == 0


@pytest.fixture(params=VIEWS, ids=["-".join(view) for view in VIEWS])
def page(request: pytest.FixtureRequest, chromium: Browser, address: str) -> Iterator[Page]:
    """A browser at the login; the test fails when the console showed an error."""
    width, theme = request.param
    context = chromium.new_context(viewport=WIDTHS[width], color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    problems: list[str] = []
    # A form that is shown again has the status 422, a refused login 401; Chromium logs both.
    page.on(
        "console",
        lambda m: (
            problems.append(m.text)
            if m.type in ("error", "warning") and "status of 4" not in m.text
            else None
        ),
    )
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
    context.close()
    assert problems == []


def log_in(page: Page, name: str = "ann") -> None:
    """With the keyboard alone."""
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def newest(url: str, model: type) -> object:
    """The row that was inserted last."""
    engine = database_engine(url)
    with transaction(engine) as session:
        row = session.scalars(select(model).order_by(model.id.desc()).limit(1)).one()  # type: ignore[attr-defined]
        session.expunge(row)
    engine.dispose()
    return row


def picture(page: Page, folder: Path, name: str) -> None:
    """A screenshot, and no serious finding of axe on it."""
    width = "phone" if page.viewport_size and page.viewport_size["width"] < 600 else "desktop"
    page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
    assert serious_findings(page) == []


def test_a_login_is_refused_then_let_in_and_ended(page: Page, screenshots: Path) -> None:
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("The name or the password is not right.")
    expect(page.get_by_label("Name")).to_have_value("ann")
    expect(page.get_by_label("Password")).to_be_focused()
    picture(page, screenshots, "login")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_a_video_is_submitted_and_its_answer_appears_by_itself(
    page: Page, asking_url: str, screenshots: Path
) -> None:
    log_in(page)
    page.get_by_role("link", name="Videos", exact=True).click()
    page.get_by_label("Study a video").fill("https://example.com/video")
    page.get_by_role("button", name="Study").click()
    page.get_by_role("alert").get_by_role("link").click()
    expect(page.get_by_label("Study a video")).to_be_focused()
    picture(page, screenshots, "videos-wrong-address")
    page.get_by_label("Study a video").fill("https://youtu.be/dQw4w9WgXcQ")
    page.keyboard.press("Enter")
    asked = page.locator("#asked")
    expect(asked).to_contain_text("study the video https://youtu.be/dQw4w9WgXcQ")
    expect(asked).to_contain_text("waiting")
    row = newest(asking_url, Request)
    engine = database_engine(asking_url)
    with transaction(engine) as session:
        answer(session, row.id, "refused", "that video is private")  # type: ignore[attr-defined]
    engine.dispose()
    expect(asked).to_contain_text("that video is private", timeout=15_000)
    picture(page, screenshots, "videos-answered")


def test_a_profile_is_edited_with_its_mistake_named_first(
    page: Page, asking_url: str, screenshots: Path
) -> None:
    log_in(page)
    page.get_by_role("link", name="Screens", exact=True).click()
    page.get_by_role("link", name="Edit Momentum Pullback").click()
    editor = page.get_by_label("The profile as YAML")
    document = editor.input_value()
    editor.fill(document.replace("rsi_14", "rsi_of_14"))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Line 8")
    expect(editor).to_have_value(document.replace("rsi_14", "rsi_of_14"))
    picture(page, screenshots, "profile-wrong")
    editor.fill(document.replace("0.7", "0.65"))
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#asked")).to_contain_text("save a screening profile")
    assert "0.65" in newest(asking_url, Request).payload["document"]  # type: ignore[attr-defined]
    picture(page, screenshots, "profile")


def test_a_file_is_imported_into_the_editor(page: Page, tmp_path: Path) -> None:
    log_in(page)
    page.goto(page.url.rstrip("/") + "/screens/profiles/new")
    file = tmp_path / "mine.yaml"
    file.write_text("name: from_a_file\n")
    page.get_by_label("Import a file").set_input_files(file)
    expect(page.get_by_label("The profile as YAML")).to_have_value("name: from_a_file\n")


def test_a_candidate_shows_its_levels_on_its_chart(page: Page, screenshots: Path) -> None:
    log_in(page)
    page.get_by_role("link", name="Screens", exact=True).click()
    page.locator("#newest").get_by_role("link", name="NVDA").last.click()
    chart = page.locator(".price-chart[data-drawn]")
    expect(chart).to_have_attribute("data-drawn", "252")
    expect(chart).to_have_attribute("aria-label", "252 sessions to 2026-11-20, last close $117.31; "
                                    "entry $116.31 to $118.31, stop $111.31, target $129.31")  # fmt: skip
    picture(page, screenshots, "candidate")


def test_a_strategy_is_approved_with_the_keyboard(page: Page, asking_url: str, screenshots: Path) -> None:
    log_in(page)
    page.goto(page.url.rstrip("/") + "/strategies/1")
    page.get_by_role("link", name="Approve for paper").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Approve golden cross for paper?")
    picture(page, screenshots, "approve")
    page.get_by_role("button", name="Approve for paper").focus()
    page.keyboard.press("Space")
    expect(page.locator("#asked")).to_contain_text("approve golden cross for paper")
    assert newest(asking_url, Decision).decided_by == "ann"  # type: ignore[attr-defined]


def test_entries_are_paused_and_everything_is_closed_after_typing_the_name(
    page: Page, asking_url: str, screenshots: Path
) -> None:
    log_in(page)
    page.get_by_role("link", name="Trading", exact=True).click()
    page.get_by_role("link", name="Pause entries").click()
    page.get_by_role("button", name="Pause entries").dblclick()
    expect(page.locator("#asked")).to_contain_text("pause entries of rsi_pullback paper")
    paused = newest(asking_url, OperatorCommand)
    assert paused.command == "pause"  # type: ignore[attr-defined]
    page.get_by_role("link", name="Close everything").click()
    page.get_by_role("button", name="Close everything").click()
    expect(page.get_by_role("alert")).to_contain_text("Type the account's name exactly")
    picture(page, screenshots, "flatten-unconfirmed")
    assert newest(asking_url, OperatorCommand).id == paused.id  # type: ignore[attr-defined]
    page.get_by_label("Name of the account").fill(ACCOUNT)
    page.keyboard.press("Enter")
    expect(page.locator("#asked")).to_contain_text("close every position of rsi_pullback paper")
    assert newest(asking_url, OperatorCommand).command == "flatten"  # type: ignore[attr-defined]
    picture(page, screenshots, "trading-asked")


def test_an_earlier_version_of_a_profile_is_brought_back(
    page: Page, asking_url: str, screenshots: Path
) -> None:
    log_in(page)
    page.get_by_role("link", name="Screens", exact=True).click()
    page.get_by_role("link", name="Momentum Pullback", exact=True).first.click()
    page.get_by_role("link", name="Go back to version 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bring back Momentum Pullback?")
    expect(page.get_by_label("The profile as YAML")).to_contain_text("name: momentum_pullback")
    picture(page, screenshots, "restore")
    page.get_by_role("button", name="Bring it back").dblclick()
    expect(page.locator("#asked")).to_contain_text(
        "bring back an earlier version of the profile momentum_pullback"
    )
    row = newest(asking_url, Request)
    assert (row.kind, row.payload) == (  # type: ignore[attr-defined]
        "restore_profile",
        {"name": "momentum_pullback", "version": 1},
    )


def test_proposed_weights_are_looked_at_and_taken(page: Page, asking_url: str, screenshots: Path) -> None:
    log_in(page)
    page.goto(page.url.rstrip("/") + "/screens/profiles/momentum_pullback")
    page.get_by_role("link", name="Take them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Take these weights?")
    expect(page.get_by_role("row", name="return 126")).to_contain_text("70.0\N{NO-BREAK SPACE}%")
    expect(page.get_by_role("row", name="return 126")).to_contain_text("60.0\N{NO-BREAK SPACE}%")
    picture(page, screenshots, "proposal")
    page.get_by_role("button", name="Take these weights").click()
    expect(page.locator("#asked")).to_contain_text("decide on proposed weights, proposal 1")
    row = newest(asking_url, Request)
    assert row.payload == {"proposal": 1, "decision": "approve"}  # type: ignore[attr-defined]


def test_an_overlay_is_chosen_after_an_empty_one_was_refused(
    page: Page, asking_url: str, screenshots: Path
) -> None:
    log_in(page)
    page.goto(page.url.rstrip("/") + "/strategies/1")
    page.get_by_role("link", name="Assume something").click()
    page.get_by_role("button", name="Assume it").click()
    page.get_by_role("alert").get_by_role("link", name="Choose one of the exits").click()
    expect(page.get_by_label("Or anything else")).to_be_focused()
    picture(page, screenshots, "overlay-empty")
    page.get_by_label("twenty days").check()
    page.get_by_label("Or anything else").fill("exit.stop.percent=5")
    page.get_by_role("button", name="Assume it").click()
    expect(page.locator("#asked")).to_contain_text("lay an overlay over golden_cross")
    row = newest(asking_url, Request)
    assert row.payload == {  # type: ignore[attr-defined]
        "spec": "golden_cross",
        "choices": ["twenty_days", "exit.stop.percent=5"],
    }


def tab_to(page: Page, role: str, name: str) -> None:
    """Press Tab until something is focused; each stop on the way can be seen."""
    for _ in range(150):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
              const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
              return {name: at.getAttribute("aria-label") || at.textContent.trim(), tag: at.tagName,
                      seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
                      marked: style.outlineStyle !== "none" || at.matches("iframe")};
            }"""
        )
        assert stop["seen"], stop
        assert stop["marked"], stop
        if stop["name"] == name and stop["tag"] == {"link": "A", "button": "BUTTON"}[role]:
            return
    raise AssertionError(f"Tab never came to {name}")


def test_entries_are_paused_with_nothing_but_a_keyboard(page: Page, asking_url: str) -> None:
    log_in(page)
    tab_to(page, "link", "Trading")
    page.keyboard.press("Enter")
    page.wait_for_url("**/trading")
    tab_to(page, "link", "Pause entries")
    page.keyboard.press("Enter")
    page.wait_for_url("**/pause")
    tab_to(page, "button", "Pause entries")
    page.keyboard.press("Enter")
    expect(page.locator("#asked")).to_contain_text("pause entries of rsi_pullback paper")


def test_a_viewer_sees_everything_and_is_offered_nothing(page: Page, screenshots: Path) -> None:
    log_in(page, "vic")
    for name in ("Screens", "Videos", "Trading"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1).first).to_be_visible()
        for offer in ("Run now", "Study", "Watch", "Pause entries", "Close everything", "Edit", "Cancel"):
            expect(page.get_by_role("button", name=offer, exact=True)).to_have_count(0)
            expect(page.get_by_role("link", name=offer, exact=True)).to_have_count(0)
    picture(page, screenshots, "trading-viewer")
