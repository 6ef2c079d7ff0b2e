"""The JSON API: typed answers, paging, errors."""

from decimal import Decimal
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from falcon_pipelines.db.engine import database_engine
from tests.dashboard.clients import open_client
from tests.dashboard.seed import seed


def test_the_overview_is_one_document_with_the_notices(seeded: TestClient) -> None:
    answer = seeded.get("/api/v1/overview").json()
    assert [notice["kind"] for notice in answer["notices"]] == ["act", "note", "note"]
    assert answer["account"]["synthetic"] is True
    assert answer["data"]["frequencies"][0]["sessions"] == 750
    assert answer["data"]["version"].startswith("v751-")


def test_positions_are_derived_from_the_postings(seeded: TestClient) -> None:
    positions = {p["ticker"]: p for p in seeded.get("/api/v1/accounts/1/positions").json()}
    assert set(positions) == {"AAPL", "KTOS", "TSLA"}
    assert positions["AAPL"]["quantity"] == 80
    assert positions["AAPL"]["cost"] == pytest.approx(80 * 232.10)
    assert positions["AAPL"]["unrealised"] == pytest.approx(80 * (246.80 - 232.10))
    assert positions["AAPL"]["stop"] == 221.5
    assert positions["AAPL"]["target"] == 262
    assert positions["AAPL"]["r_multiple"] == pytest.approx((246.80 - 232.10) / (0.05 * 232.10))
    assert positions["AAPL"]["opened_at"] == "2026-09-01T04:00:00Z"
    assert positions["TSLA"]["unrealised"] == pytest.approx(-30 * (262.40 - 251.00))


def test_equity_is_given_beside_the_benchmark_oldest_first(seeded: TestClient) -> None:
    curve = seeded.get("/api/v1/accounts/1/equity").json()
    assert len(curve["points"]) == 60
    assert all(a["session"] < b["session"] for a, b in pairwise(curve["points"]))
    assert curve["points"][-1]["session"] == "2026-11-20"
    assert isinstance(curve["points"][-1]["benchmark"], float)


@pytest.mark.parametrize(
    ("path", "total"),
    [
        ("/api/v1/fills", 6),
        ("/api/v1/orders", 9),
        ("/api/v1/strategies", 3),
        ("/api/v1/runs", 5),
        ("/api/v1/data/actions", 3),
    ],
)
def test_pages_of_a_long_list_join_to_the_whole_without_gap_or_repeat(
    seeded: TestClient, path: str, total: int
) -> None:
    def name(item: dict[str, str]) -> str:
        return item.get("id") or item["ticker"]

    whole = [name(item) for item in seeded.get(path).json()["items"]]
    assert len(whole) == total
    collected: list[str] = []
    cursor: str | None = None
    while True:
        page = seeded.get(path, params={"limit": 2, **({"after": cursor} if cursor else {})}).json()
        collected += [name(item) for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert collected == whole


def test_orders_tell_how_much_is_filled_and_why_not(seeded: TestClient) -> None:
    rejected = seeded.get("/api/v1/orders", params={"status": "rejected"}).json()["items"]
    assert [(order["ticker"], order["filled"], order["reason"]) for order in rejected] == [
        ("GME", 0, "more than the cash there is")
    ]
    filled = seeded.get("/api/v1/orders", params={"ticker": "MSFT"}).json()["items"]
    assert [Decimal(order["filled"]) for order in filled] == [50, 50]


def test_strategies_come_with_verdict_and_reason(seeded: TestClient) -> None:
    by_name = {row["name"]: row for row in seeded.get("/api/v1/strategies").json()["items"]}
    assert by_name["golden_cross"]["verdict"] == "insufficient evidence"
    assert by_name["golden_cross"]["backtest"]["closed_trades"] == 7
    assert by_name["opening_range"]["verdict"] is None


@pytest.mark.parametrize("path", ["/api/v1/notifications", "/api/v1/data/log"])
def test_pages_of_a_numbered_list_go_on_before_the_last_number(seeded: TestClient, path: str) -> None:
    whole = seeded.get(path, params={"limit": 4}).json()["items"]
    first = seeded.get(path, params={"limit": 2}).json()
    second = seeded.get(path, params={"limit": 2, "before": first["next"]}).json()
    assert [*first["items"], *second["items"]] == whole[: len(first["items"]) + len(second["items"])]
    assert len(first["items"]) == 2


def test_a_run_that_has_succeeded_since_is_mended(seeded: TestClient) -> None:
    failed = seeded.get("/api/v1/runs", params={"status": "failed"}).json()["items"]
    assert {(run["job"], run["mended"]) for run in failed} == {
        ("ingest_day_bars", True),
        ("judge_strategies", False),
    }


def test_unknown_costs_count_in_full_against_the_budget(seeded: TestClient) -> None:
    spending = seeded.get("/api/v1/spending").json()
    assert spending["spent"] == pytest.approx(0.0123 + 0.05)
    assert spending["monthly_budget"] == 10
    assert [(p["purpose"], p["calls"], p["failed"]) for p in spending["purposes"]] == [("extraction", 2, 1)]


def test_a_live_bar_prices_a_position_until_the_account_marks_it_later(database_url: str) -> None:
    seed(database_url)
    engine = database_engine(database_url)

    def tsla() -> dict[str, object]:
        found = client.get("/api/v1/accounts/1/positions").json()
        return next({"price": p["price"], "by": p["priced_by"]} for p in found if p["ticker"] == "TSLA")

    with open_client(database_url) as client:
        assert tsla() == {"price": 262.4, "by": "mark"}
        with engine.begin() as connection:
            connection.execute(text("UPDATE live_bars SET starts_at = '2026-11-23 15:31+00'"))
        assert tsla() == {"price": 262.0, "by": "live"}
        with engine.begin() as connection:
            connection.execute(text("UPDATE live_bars SET basis = 'sip'"))
        assert tsla() == {"price": 262.4, "by": "mark"}, "real prices say nothing of a synthetic account"
    engine.dispose()


def test_totals_of_positions_follow_every_posting(database_url: str) -> None:
    seed(database_url)
    engine = database_engine(database_url)
    summed = (
        "SELECT account_id, ticker, sum(quantity), sum(amount) FROM postings WHERE ledger = 'securities' "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    kept = "SELECT account_id, ticker, quantity, cost FROM position_totals ORDER BY 1, 2"
    with engine.begin() as connection:
        for change in (
            "SELECT 1",
            "UPDATE postings SET quantity = quantity * 4 WHERE ticker = 'AAPL' AND ledger = 'securities'",
            "DELETE FROM postings WHERE entry_id IN (SELECT entry_id FROM postings WHERE ticker = 'KTOS' LIMIT 1)",
        ):
            connection.execute(text(change))
            held = [row for row in connection.execute(text(kept)).tuples() if row[2] or row[3]]
            expected = [row for row in connection.execute(text(summed)).tuples() if row[2] or row[3]]
            assert held == expected, change
    engine.dispose()


def test_candidates_are_those_of_the_newest_session(seeded: TestClient) -> None:
    screens = seeded.get("/api/v1/candidates").json()
    found = [(screen["profile"], len(screen["candidates"])) for screen in screens]
    assert found == [
        ("gap_and_go", 3),
        ("momentum_pullback", 5),
    ]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/accounts/99/equity", 404),
        ("/api/v1/strategies/99", 404),
        ("/api/v1/backtests/99/equity", 404),
        ("/api/v1/overview?account=99", 404),
        ("/api/v1/strategies/x", 422),
        ("/api/v1/fills?limit=0", 422),
        ("/api/v1/fills?after=nonsense", 400),
        ("/api/v1/fills?after=%C3%A9", 400),
        ("/api/v1/strategies?after=nonsense", 400),
        ("/api/v1/data/actions?after=nonsense", 400),
        ("/api/v1/runs?status=lost", 422),
        ("/api/v1/nothing", 404),
    ],
)
def test_a_wrong_question_is_answered_as_json(seeded: TestClient, path: str, status: int) -> None:
    response = seeded.get(path)
    assert response.status_code == status
    assert "detail" in response.json()


def test_the_schema_documents_every_answer(empty: TestClient) -> None:
    schema = empty.get("/api/openapi.json").json()
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            good = next(found for status, found in operation["responses"].items() if status.startswith("2"))
            assert method == "delete" or any(kind["schema"] for kind in good["content"].values()), (
                method,
                path,
            )
    properties = schema["components"]["schemas"]["Position"]["properties"]
    assert properties["quantity"]["type"] == "number"
