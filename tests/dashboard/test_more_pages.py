"""Screens, strategies, videos, trading, data and system: what each shows, filters, pages and exports."""

import csv
import io
import json
import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from falcon_pipelines.db.engine import database_engine
from tests.dashboard.clients import open_client
from tests.dashboard.seed import seed
from tests.dashboard.test_pages import HOSTILE, Markup, words_of

PAGES = (
    "/screens",
    "/screens/1",
    "/strategies",
    "/videos",
    "/videos/demo0000001",
    "/trading",
    "/data",
    "/system",
)


@pytest.mark.parametrize("path", ["/screens", "/strategies", "/videos", "/trading", "/data", "/system"])
def test_every_page_has_words_for_an_empty_database(empty: TestClient, path: str) -> None:
    response = empty.get(path)
    assert response.status_code == 200
    expected = "it has not written yet" if path == "/system" else "yet."
    assert expected in words_of(response.text)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_that_bars_are_synthetic(seeded: TestClient, path: str) -> None:
    assert "SYNTHETIC DATA" in seeded.get(path).text


def test_hostile_text_stays_text_on_every_page(database_url: str) -> None:
    seed(database_url, hostile=HOSTILE)
    with open_client(database_url) as client:
        for path in PAGES:
            response = client.get(path)
            assert response.status_code == 200, path
            markup = Markup(response.text)
            assert markup.tags.isdisjoint({"inline script", "style", "iframe", "object"}), path
            assert not {name for name in markup.attributes if name.startswith("on") or name == "style"}, path


def test_the_leaderboard_has_the_best_evidence_first(seeded: TestClient) -> None:
    page = words_of(seeded.get("/strategies").text)
    places = [page.index(name) for name in ("rsi pullback", "golden cross", "opening range")]
    assert places == sorted(places)


def test_a_transcript_marks_the_words_of_each_rule(seeded: TestClient) -> None:
    html = seeded.get("/videos/demo0000001").text
    marked = re.findall(r"<mark>(.*?)</mark> <span class=\"chip\">(.*?)</span>", html)
    assert marked == [
        ("buy when the fifty day crosses above the two hundred day", "entry.long"),
        ("sell when it crosses back below", "exit.signal"),
    ]


def test_the_candidates_of_a_run_stay_reachable(seeded: TestClient) -> None:
    assert "SOFI" in seeded.get("/screens/2").text + seeded.get("/screens/1").text
    assert seeded.get("/screens/99").status_code == 404
    runs = words_of(seeded.get("/screens?profile=gap_and_go").text)
    assert "Runs of gap and go" in runs


def test_orders_and_fills_are_filtered_by_ticker_and_status(seeded: TestClient) -> None:
    page = words_of(seeded.get("/trading?ticker=AAPL&status=open").text)
    orders = page[page.index("Orders") : page.index("Fills")]
    assert "AAPL sell limit 80 0 262.00" in orders
    assert "MSFT" not in orders
    assert "No order matches." in seeded.get("/trading?ticker=NOPE").text


def test_all_orders_and_fills_are_exported_as_csv(seeded: TestClient) -> None:
    response = seeded.get("/trading/fills.csv?account=1")
    assert response.headers["Content-Disposition"] == 'attachment; filename="fills.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert len(rows) == 6
    assert (rows[0]["ticker"], rows[0]["price"], rows[0]["filled_at"]) == (
        "KTOS",
        "0.8425",
        "2026-11-09T05:00:00Z",
    )
    small = seeded.get("/trading/fills.csv?account=1&ticker=aapl").text
    assert {row["ticker"] for row in csv.DictReader(io.StringIO(small))} == {"AAPL"}
    orders = list(csv.DictReader(io.StringIO(seeded.get("/trading/orders.csv?status=rejected").text)))
    assert [row["ticker"] for row in orders] == ["GME"]


def test_trading_in_one_ticker_is_shown_on_its_bars_where_they_are_kept(seeded: TestClient) -> None:
    page = seeded.get("/trading?account=1&ticker=aapl").text
    assert 'data-prices="/api/v1/charts/AAPL"' in page
    marks = re.findall(r"data-fills='([^']*)'", page)
    assert [json.loads(found) for found in marks] == [
        [
            {"session": "2026-09-28", "side": "sell", "shares": "40", "price": 241.0},
            {"session": "2026-09-01", "side": "buy", "shares": "120", "price": 232.1},
        ]
    ]
    assert 'data-stop="221.50' in page
    assert "No prices to draw." in seeded.get("/trading?account=1&ticker=KTOS").text
    assert 'id="chart"' not in seeded.get("/trading?account=1").text
    assert 'id="chart"' not in seeded.get("/trading?account=1&ticker=NOTHING").text


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_exported_text_never_becomes_a_formula(database_url: str, start: str) -> None:
    seed(database_url)
    engine = database_engine(database_url)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE orders SET reason = :reason WHERE status = 'rejected'"),
            {"reason": start + "HYPERLINK(1)"},
        )
    engine.dispose()
    with open_client(database_url) as client:
        answer = client.get("/trading/orders.csv?status=rejected")
    exported = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["reason"] for row in exported] == [f"'{start}HYPERLINK(1)"]


def test_the_calendar_tells_stored_quarantined_and_absent_days(database_url: str) -> None:
    seed(database_url)
    engine = database_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM manifest WHERE session = '2026-11-18'"))
    engine.dispose()
    with open_client(database_url) as client:
        november = client.get("/api/v1/data/coverage?year=2026").json()["months"][10]["days"]
        html = client.get("/data").text
    states = {day["day"]: day["state"] for day in november}
    assert states["2026-11-17"] == "stored"
    assert states["2026-11-18"] == "absent"
    assert states["2026-11-20"] == "quarantined"
    assert states["2026-11-21"] == "outside"
    assert states["2026-11-15"] == "weekend"
    assert "2026-11-18: no bars; a holiday, or a gap" in html


def test_the_system_page_tells_what_wrote_last(seeded: TestClient) -> None:
    page = words_of(seeded.get("/system").text)
    assert "The database answers and has the schema" in page
    assert "Bars 2026-11-21 11:00 manifest" in page


def test_halts_and_commands_are_shown_with_what_came_of_them(seeded: TestClient) -> None:
    page = words_of(seeded.get("/trading").text)
    assert "daily loss 2026-09-14 2026-09-15 lost 3.1 % in a day" in page
    assert "pause — none: the whole account operator" in page
