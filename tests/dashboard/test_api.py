"""The JSON API: typed answers, paging, errors."""

from decimal import Decimal
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient


def test_the_overview_is_one_document_with_the_notices(seeded: TestClient) -> None:
    answer = seeded.get("/api/v1/overview").json()
    assert [notice["kind"] for notice in answer["notices"]] == ["act", "note"]
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
    assert positions["TSLA"]["unrealised"] == pytest.approx(-30 * (262.40 - 251.00))


def test_equity_is_given_beside_the_benchmark_oldest_first(seeded: TestClient) -> None:
    curve = seeded.get("/api/v1/accounts/1/equity").json()
    assert len(curve["points"]) == 60
    assert all(a["session"] < b["session"] for a, b in pairwise(curve["points"]))
    assert curve["points"][-1]["session"] == "2026-11-20"
    assert isinstance(curve["points"][-1]["benchmark"], float)


@pytest.mark.parametrize(("path", "total"), [("/api/v1/fills", 6), ("/api/v1/orders", 9)])
def test_pages_of_a_long_list_join_to_the_whole_without_gap_or_repeat(
    seeded: TestClient, path: str, total: int
) -> None:
    whole = [item["id"] for item in seeded.get(path).json()["items"]]
    assert len(whole) == total
    collected: list[str] = []
    cursor: str | None = None
    while True:
        page = seeded.get(path, params={"limit": 2, **({"after": cursor} if cursor else {})}).json()
        collected += [item["id"] for item in page["items"]]
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
    by_name = {row["name"]: row for row in seeded.get("/api/v1/strategies").json()}
    assert by_name["golden_cross"]["verdict"] == "insufficient evidence"
    assert by_name["golden_cross"]["backtest"]["closed_trades"] == 7
    assert by_name["opening_range"]["verdict"] is None


def test_candidates_are_those_of_the_newest_session(seeded: TestClient) -> None:
    screens = seeded.get("/api/v1/candidates").json()
    found = [(screen["profile"], len(screen["candidates"])) for screen in screens]
    assert found == [
        ("gap_and_go", 2),
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
            assert method == "delete" or good["content"]["application/json"]["schema"], (method, path)
    properties = schema["components"]["schemas"]["Position"]["properties"]
    assert properties["quantity"]["type"] == "number"
