"""What a person sees: content, empty states, hostile text, failures."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from falcon_pipelines.db.engine import database_engine
from tests.dashboard.clients import open_client
from tests.dashboard.seed import seed

HOSTILE = """ "><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} ' & \u202e \\"""


def words_of(html: str) -> str:
    """The text of a page as a reader sees it, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


class Markup(HTMLParser):
    """The elements and attribute names a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        self.tags.add("inline script" if tag == "script" and "src" not in names else tag)
        self.attributes |= names


def test_the_overview_answers_first_whether_anything_needs_a_person(seeded: TestClient) -> None:
    page = words_of(seeded.get("/").text)
    assert "One thing needs you." in page
    assert "1 order was rejected since the last close." in page


def test_the_overview_shows_account_positions_candidates_strategies_and_data(seeded: TestClient) -> None:
    page = words_of(seeded.get("/").text)
    assert "103,042.80" in page
    assert "AAPL 80 232.10 246.80 2026-11-20 16:00 19,744.00 +1,176.00 +6.3 % +1.27 221.50 262.00" in page
    assert (
        "TSLA short \N{MINUS SIGN}30 251.00 262.40 2026-11-20 16:00 \N{MINUS SIGN}7,872.00 \N{MINUS SIGN}342.00"
        in page
    )
    assert "KTOS 900 0.8425 0.8712" in page
    assert "MSFT 50" not in page
    assert "momentum pullback 5 of 184 tickers" in page
    assert "golden cross insufficient evidence 7 " in page
    assert "Data day bars to 2026-11-20, 750 sessions, 2 of 201 rows in quarantine" in page
    assert "Services 3 well" in page
    assert "Bought 1 AAPL at 232.10" in page
    assert "All times are New York" in page


def test_synthetic_data_is_called_synthetic_at_every_heading_it_shows_under(seeded: TestClient) -> None:
    html = seeded.get("/").text
    for title in ("account", "positions", "candidates", "strategies"):
        heading = re.search(rf'<h2 id="{title}-title">.*?</h2>\s*(.*?)</div>', html, re.DOTALL)
        assert heading
        assert "SYNTHETIC" in heading.group(1), title
    assert "SYNTHETIC" in seeded.get("/strategies/1").text


def test_real_data_is_not_called_synthetic(database_url: str) -> None:
    seed(database_url, synthetic=False)
    with open_client(database_url) as client:
        assert "SYNTHETIC" not in client.get("/").text


def test_a_strategy_page_links_each_rule_to_its_second_of_the_video(seeded: TestClient) -> None:
    html = seeded.get("/strategies/1").text
    assert 'href="https://www.youtube.com/watch?v=demo0000001&amp;t=2s"' in html
    page = words_of(html)
    assert "entry.long crosses_above fast · slow stated buy when the fifty day" in page
    assert "exit.stop percent 8 default" in page
    assert "wait for a strong candle : no measurable meaning" in page.replace("candle:", "candle :")
    assert "AAPL long 120 2024-02-05 101.25" in page
    assert "max drawdown \N{MINUS SIGN}18.3" in page


def test_a_strategy_without_a_backtest_says_so(seeded: TestClient) -> None:
    page = words_of(seeded.get("/strategies/3").text)
    assert "opening range" in page
    assert "Not backtested yet" in page


def test_an_empty_database_gives_pages_that_say_what_to_do(empty: TestClient) -> None:
    response = empty.get("/")
    assert response.status_code == 200
    page = words_of(response.text)
    for sentence in (
        "There are no bars yet.",
        "No paper account yet.",
        "No open positions.",
        "No screen has run yet.",
        "No strategies yet.",
        "Data no bars yet",
        "none has reported yet",
    ):
        assert sentence in page


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/strategies/99", 404),
        ("/strategies/9999999999", 400),
        ("/?account=99", 404),
        ("/?account=x", 400),
    ],
)
def test_a_wrong_address_is_answered_in_words(seeded: TestClient, path: str, status: int) -> None:
    response = seeded.get(path)
    assert response.status_code == status
    assert "Go to Today" in response.text


@pytest.fixture
def attacked(database_url: str) -> Iterator[TestClient]:
    seed(database_url, hostile=HOSTILE)
    with open_client(database_url) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/strategies/1", "/strategies/2"])
def test_text_from_videos_users_and_models_stays_text(attacked: TestClient, path: str) -> None:
    html = attacked.get(path).text
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ 7*7 }}" in html
    markup = Markup(html)
    assert markup.tags.isdisjoint({"inline script", "style", "iframe", "object"})
    assert not {name for name in markup.attributes if name.startswith("on") or name == "style"}


def test_only_http_addresses_become_links(database_url: str) -> None:
    seed(database_url)
    engine = database_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE transcripts SET url = 'javascript:alert(document.domain)//'"))
    engine.dispose()
    with open_client(database_url) as client:
        html = client.get("/strategies/1").text
    assert "javascript:" not in html
    assert "at 0:02" in html


MISSHAPEN = (
    "UPDATE backtests SET stats = '[1]', benchmark = '7', settings = '[]', warnings = '{}'",
    """UPDATE backtests SET trades = '[1, {"pnl": "x"}]'""",
    """UPDATE backtests SET equity = '[[1], "x", ["2024-01-02", "no"], ["2024-01-03", 5, null]]'""",
    """UPDATE strategy_specs SET document = '[]', extraction =
       '{"claims": 3, "rules": [1, {"field": {"a": [1]}, "start_seconds": "NaN"}]}'""",
    """UPDATE verdicts SET inputs = '[null, {"name": null, "value": {"a": 1}}]'""",
    "UPDATE screen_picks SET factors = '[]'",
    "UPDATE fills SET flags = '{}'",
)


def test_documents_of_the_wrong_shape_leave_gaps_instead_of_failing(database_url: str) -> None:
    seed(database_url)
    engine = database_engine(database_url)
    with engine.begin() as connection:
        for statement in MISSHAPEN:
            connection.exec_driver_sql(statement)
    engine.dispose()
    with open_client(database_url) as client:
        for path in ("/", "/strategies/1", "/api/v1/overview", "/api/v1/strategies/1", "/api/v1/fills"):
            assert client.get(path).status_code == 200, path
        curve = client.get("/api/v1/backtests/1/equity").json()
    assert curve["points"] == [{"timestamp": "2024-01-03T00:00:00Z", "equity": 5.0, "benchmark": None}]


def test_every_page_forbids_inline_scripts_and_styles_and_has_none(seeded: TestClient) -> None:
    for path in ("/", "/strategies/1", "/nothing"):
        response = seeded.get(path)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        markup = Markup(response.text)
        assert markup.tags.isdisjoint({"inline script", "style"})
        assert "style" not in markup.attributes
        assert "//cdn" not in response.text


def test_static_files_are_kept_by_browsers_under_an_address_of_their_content(seeded: TestClient) -> None:
    html = seeded.get("/").text
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', html)
    assert any(address.endswith("plotly.min.js") for address in addresses)
    for address in addresses:
        response = seeded.get(address)
        assert response.status_code == 200
        assert "immutable" in response.headers["Cache-Control"]
    assert seeded.get("/static/0/falcon.css").headers["Cache-Control"] == "no-cache"
    assert seeded.get("/static/0/..%2Fapp.py").status_code == 404
