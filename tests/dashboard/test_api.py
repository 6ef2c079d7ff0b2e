"""The JSON API: typed answers, paging, errors."""

from decimal import Decimal
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from tests.dashboard.clients import api_headers, open_client
from tests.dashboard.seed import seed, seeded_database


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


LISTS = {
    "/api/v1/fills": 6,
    "/api/v1/orders": 9,
    "/api/v1/skipped-trades": 3,
    "/api/v1/accounts/1/halts": 3,
    "/api/v1/accounts/1/commands": 3,
    "/api/v1/strategies": 3,
    "/api/v1/strategies/1/backtests": 1,
    "/api/v1/videos": 1,
    "/api/v1/intake/videos": 3,
    "/api/v1/intake/files": 2,
    "/api/v1/screens": 2,
    "/api/v1/requests": 4,
    "/api/v1/checks/failed": 3,
    "/api/v1/data/quarantine": 3,
    "/api/v1/data/revisions": 1,
    "/api/v1/data/actions": 3,
    "/api/v1/runs": 5,
    "/api/v1/notifications": 3,
}
MORE = (
    "INSERT INTO account_halts (account_id, kind, since, until, reason) VALUES "
    "(1, 'paused', '2026-09-02 15:00+00', NULL, 'x'), (1, 'drawdown', '2026-10-02 15:00+00', NULL, 'y')",
    "INSERT INTO operator_commands (account_id, command, requested_by) VALUES (1, 'pause', 'a'), (1, 'resume', 'a')",
    "INSERT INTO check_results (asset, name, partition, passed, severity, run_id, evaluated_at, storage_id) VALUES "
    "('day_bars', 'a', '2026-11-16', false, 'ERROR', 'r', '2026-11-20 22:05+00', 90), "
    "('day_bars', 'b', '2026-11-13', false, 'ERROR', 'r', '2026-11-19 22:05+00', 10)",
    "INSERT INTO quarantine_counts (frequency, session, revision, rule, lines, example_line, example) VALUES "
    "('day', '2026-11-20', 2, 'another rule', 9, 1, 'x'), ('minute', '2026-11-19', 1, 'high below low', 1, 1, 'x')",
)


@pytest.fixture(scope="module")
def long_lists(postgres: EmbeddedPostgres) -> str:
    """A database in which every list has several rows."""
    url = seeded_database(postgres, "seeded_lists")
    engine = database_engine(url)
    with engine.begin() as connection:
        for statement in MORE:
            connection.execute(text(statement))
    engine.dispose()
    return url


@pytest.mark.parametrize("path", list(LISTS))
def test_pages_of_a_long_list_join_to_the_whole_without_gap_or_repeat(long_lists: str, path: str) -> None:
    with open_client(long_lists) as client:
        whole = client.get(path).json()["items"]
        assert len(whole) == LISTS[path]
        parameters = client.get("/api/openapi.json").json()["paths"][_template(path)]["get"]["parameters"]
        onward = "after" if any(found["name"] == "after" for found in parameters) else "before"
        collected: list[object] = []
        following: dict[str, str] = {}
        while True:
            answer = client.get(path, params={"limit": "1", **following})
            assert answer.status_code == 200, answer.text
            collected += answer.json()["items"]
            if answer.json()["next"] is None:
                break
            following = {onward: answer.json()["next"]}
    assert collected == whole


def _template(path: str) -> str:
    return path.replace("accounts/1/", "accounts/{account_id}/").replace(
        "strategies/1/", "strategies/{spec_id}/"
    )


def test_halts_that_last_come_first(long_lists: str) -> None:
    with open_client(long_lists) as client:
        found = client.get("/api/v1/accounts/1/halts").json()["items"]
    assert [(halt["kind"], halt["until"] is None) for halt in found] == [
        ("drawdown", True),
        ("paused", True),
        ("daily_loss", False),
    ]


def test_the_trades_of_a_backtest_are_paged_by_where_they_begin(seeded: TestClient) -> None:
    whole = seeded.get("/api/v1/backtests/1/trades").json()
    assert (len(whole["items"]), whole["next"]) == (7, None)
    first = seeded.get("/api/v1/backtests/1/trades", params={"limit": 4}).json()
    rest = seeded.get("/api/v1/backtests/1/trades", params={"limit": 4, "first": first["next"]}).json()
    assert (first["items"] + rest["items"], rest["next"]) == (whole["items"], None)


def test_an_account_tells_how_it_stands_and_how_near_its_limits_are(seeded: TestClient) -> None:
    standing = seeded.get("/api/v1/accounts/1/standing").json()
    assert standing["session"] == "2026-11-20"
    assert standing["total_profit"] == pytest.approx(standing["equity"] - 100_000)
    assert standing["total_return"] == pytest.approx(0.0304, abs=1e-3)
    assert standing["exposure"] == pytest.approx(12_650 / standing["equity"])
    limits = {limit["name"]: limit for limit in seeded.get("/api/v1/accounts/1/limits").json()}
    assert (limits["max_positions"]["now"], limits["max_positions"]["used"]) == (3, 0.3)
    assert limits["sector_share"]["limit"] is None
    assert seeded.get("/api/v1/accounts/99/limits").json() == []
    assert seeded.get("/api/v1/accounts/99/standing").status_code == 404


def test_an_equity_curve_is_thinned_to_its_ends(seeded: TestClient) -> None:
    whole = seeded.get("/api/v1/accounts/1/equity").json()["points"]
    thin = seeded.get("/api/v1/accounts/1/equity?points=5").json()["points"]
    assert len(thin) == 5
    assert (thin[0], thin[-1]) == (whole[0], whole[-1])


def test_what_is_on_its_way_in_is_told_with_its_state_and_why(seeded: TestClient) -> None:
    asked_for = {item["id"]: item for item in seeded.get("/api/v1/intake/videos").json()["items"]}
    assert asked_for["demo0000001"]["state"] == "fetched"
    assert (asked_for["late0000002"]["state"], asked_for["late0000002"]["detail"]) == (
        "rate_limited",
        "YouTube asked to wait",
    )
    channels = seeded.get("/api/v1/intake/channels").json()
    assert [(channel["url"].rsplit("/")[-1], channel["problem"]) for channel in channels] == [
        ("@example", None),
        ("broken", "answered with 404"),
    ]
    files = seeded.get("/api/v1/intake/files").json()["items"]
    assert [(file["name"], file["state"], file["transcript_id"]) for file in files] == [
        ("notes.docx", "unknown_format", None),
        ("talks/golden cross.vtt", "studied", "demo0000001"),
    ]


def test_skipped_trades_come_with_rule_reason_and_outcome(seeded: TestClient) -> None:
    found = seeded.get("/api/v1/skipped-trades", params={"ticker": "SOFI"}).json()["items"]
    assert [(row["rule"], row["outcome"], row["outcome_return"]) for row in found] == [
        ("stop_distance", "target", 0.31)
    ]


def test_the_readings_of_a_talk_stand_side_by_side(database_url: str) -> None:
    seed(database_url, readings=True)
    with open_client(database_url) as client:
        found = client.get("/api/v1/videos/demo0000001/readings").json()
        overlays = client.get("/api/v1/strategies/1/overlays").json()
        assert client.get("/api/v1/videos/nothing/readings").json()["rows"] == []
    assert [(row["name"], row["kind"], row["final_equity"], row["verdict"]) for row in found["rows"]][1:] == [
        ("golden_cross_stop_5", "reading", 131_000, "does not work"),
        ("golden_cross_held", "overlay", None, None),
    ]
    assert (found["tested"], found["lowest"]) == (2, 131_000)
    assert [offer["name"] for offer in overlays["offered"]] == ["twenty_days", "stop_5"]


def test_a_decision_tells_what_it_rests_on(seeded: TestClient) -> None:
    found = seeded.get("/api/v1/strategies/1/decision").json()
    assert (found["verdict"], found["choice"], found["on_paper"]) == (
        "insufficient evidence",
        "approve",
        True,
    )


def test_what_was_asked_with_a_key_is_found_in_words_from_whichever_table(database_url: str) -> None:
    seed(database_url)
    key = "a-key-of-sixteen-letters"
    with open_client(database_url) as client:
        headers = api_headers(client)
        answer = client.post(
            "/api/v1/accounts/1/commands", json={"command": "pause", "key": key}, headers=headers
        )
        assert answer.status_code == 201
        found = client.get(f"/api/v1/asked/c-{key}").json()
        waiting = client.get("/api/v1/waiting").json()
        assert client.get(f"/api/v1/asked/r-{key}").status_code == 404
    assert (found["about"], found["state"]) == ("pause entries of rsi_pullback paper", "waiting")
    assert "trading: pause" in {item["kind"] for item in waiting}


def test_services_and_the_schema_are_judged_at_this_moment(seeded: TestClient) -> None:
    services = {row["service"]: row["standing_now"] for row in seeded.get("/api/v1/services").json()}
    assert services == {
        "dagster-daemon": "ok",
        "dashboard": "ok",
        "falcon-trader": "ok",
        "falcon-feed": "silent",
    }
    system = seeded.get("/api/v1/system").json()
    assert system["revision"] == system["expected_revision"]
    assert system["dagster_url"].startswith("http")


def test_several_kinds_and_states_are_asked_for_at_once(seeded: TestClient) -> None:
    runs = seeded.get("/api/v1/runs", params={"status": ["failed", "canceled"]}).json()["items"]
    assert {run["status"] for run in runs} == {"failed", "canceled"}
    kinds = seeded.get("/api/v1/requests", params={"kind": ["study_video", "save_profile"]}).json()["items"]
    assert {row["kind"] for row in kinds} == {"study_video", "save_profile"}


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
        ("/api/v1/data/quarantine?after=nonsense", 400),
        ("/api/v1/checks/failed?after=MjAyNi0xMS0yMFQyMjowNTowMCswMDowMCB4", 400),
        ("/api/v1/data/quarantine?after=MjAyNi0xMS0yMFQyMjowNTowMCswMDowMCB4", 400),
        ("/api/v1/proposals/99", 404),
        ("/api/v1/accounts/1/orders/nothing", 404),
        ("/api/v1/asked/x-a-key-of-sixteen-letters", 422),
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
