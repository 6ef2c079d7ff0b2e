"""Asking for things: valid forms insert one row and show its answer, wrong ones say what to do beside the field."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import AccountHalt, Decision, OperatorCommand, Promotion, Request
from falcon_pipelines.db.requests import answer
from tests.dashboard.clients import api_headers, hidden, open_client, send
from tests.dashboard.seed import seed
from tests.dashboard.seed_asking import PROFILE

ACCOUNT = "rsi_pullback paper"


@pytest.fixture
def page(database_url: str) -> Iterator[TestClient]:
    """A browser of the operator `demo` over seeded content."""
    seed(database_url)
    with open_client(database_url) as client:
        yield client


def rows(url: str, model: type) -> list:  # type: ignore[type-arg]
    """Every row of a table in order, detached."""
    engine = database_engine(url)
    with transaction(engine) as session:
        found = list(session.scalars(select(model).order_by(model.id)))  # type: ignore[attr-defined]
        session.expunge_all()
    engine.dispose()
    return found


def newest(url: str, model: type = Request):  # type: ignore[type-arg,no-untyped-def]
    return rows(url, model)[-1]


def work(url: str, deed) -> None:  # type: ignore[no-untyped-def]
    engine = database_engine(url)
    with transaction(engine) as session:
        deed(session)
    engine.dispose()


def test_a_video_is_asked_for_and_its_answer_appears_where_it_was_asked(
    page: TestClient, database_url: str
) -> None:
    sent = send(page, "/videos", url=" youtu.be/dQw4w9WgXcQ ")
    assert sent.status_code == 303
    row = newest(database_url)
    assert (row.kind, row.payload, row.requested_by) == (
        "study_video",
        {"url": "https://youtu.be/dQw4w9WgXcQ"},
        "demo",
    )
    shown = page.get(sent.headers["location"]).text
    assert "study the video https://youtu.be/dQw4w9WgXcQ" in shown
    assert "The answer appears here by itself." in shown
    work(database_url, lambda session: answer(session, row.id, "refused", "that video is private"))
    shown = page.get(sent.headers["location"]).text
    assert "that video is private" in shown
    assert 'class="answer answer-act" id="asked"' in shown


def test_a_double_click_asks_once(page: TestClient, database_url: str) -> None:
    before = len(rows(database_url, Request))
    form = page.get("/videos")
    fields = {name: hidden(form, name) for name in ("csrf_token", "key")} | {"url": "https://youtu.be/a"}
    answers = [page.post("/videos", data=fields, follow_redirects=False) for _ in range(3)]
    assert len({found.headers["location"] for found in answers}) == 1
    assert len(rows(database_url, Request)) == before + 1
    send(page, "/videos", url="https://youtu.be/a")
    assert len(rows(database_url, Request)) == before + 2


@pytest.mark.parametrize(
    "address",
    [
        "",
        "   ",
        "ftp://youtube.com/x",
        "https://evil.example/watch?v=a",
        "https://youtube.com.evil.example/a",
        "https://user:pw@youtube.com/a",
        "https://youtube.com:8080/a",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://youtu.be/a b",
        "https://youtu.be/\x00",
        "https://youtu.be/" + "a" * 3000,
        "https://[::1",
    ],
)
def test_a_wrong_address_is_said_at_the_field_and_kept(
    page: TestClient, database_url: str, address: str
) -> None:
    before = len(rows(database_url, Request))
    sent = send(page, "/videos", url=address)
    assert sent.status_code == 422
    assert "<title>Error: Videos" in sent.text
    assert 'href="#url"' in sent.text
    assert 'aria-invalid="true"' in sent.text
    assert len(rows(database_url, Request)) == before


def test_a_channel_is_watched_and_left(page: TestClient, database_url: str) -> None:
    send(page, "/videos", url="https://youtu.be/a")
    form = page.get("/videos")
    fields = {name: hidden(form, name) for name in ("csrf_token", "key")}
    page.post("/feeds", data=fields | {"feed": "https://www.youtube.com/@new"})
    assert newest(database_url).payload == {"url": "https://www.youtube.com/@new"}
    sent = send(
        page, "/feeds/unwatch?url=https://www.youtube.com/@example", url="https://www.youtube.com/@example"
    )
    assert sent.headers["location"].startswith("/videos?asked=r-")
    assert (newest(database_url).kind, newest(database_url).payload) == (
        "unwatch_feed",
        {"url": "https://www.youtube.com/@example"},
    )
    assert page.get("/feeds/unwatch?url=https://nobody").status_code == 404


def test_a_profile_is_edited_with_the_line_of_the_mistake_first(page: TestClient, database_url: str) -> None:
    before = len(rows(database_url, Request))
    wrong = PROFILE.replace("rsi_14", "rsi_of_14")
    address = "/screens/profiles/momentum_pullback/edit"
    refused = send(page, address, document=wrong)
    assert refused.status_code == 422
    assert "Line 8" in refused.text
    assert "unknown factor &#39;rsi_of_14&#39;; did you mean &#39;rsi_14&#39;?" in refused.text
    assert "direction: lower" in refused.text, "what was typed is kept"
    other = send(page, address, document=PROFILE.replace("momentum_pullback", "another"))
    assert "keep it momentum_pullback" in other.text
    assert len(rows(database_url, Request)) == before
    saved = send(page, address, document=PROFILE.replace("0.7", "0.6").replace("\n", "\r\n"))
    assert saved.headers["location"].startswith("/screens/profiles/momentum_pullback?asked=r-")
    assert newest(database_url).payload == {"document": PROFILE.replace("0.7", "0.6")}


def test_profiles_are_imported_exported_run_and_deleted(page: TestClient, database_url: str) -> None:
    imported = send(page, "/screens/profiles/new", document=PROFILE.replace("momentum_pullback", "mine"))
    assert imported.headers["location"].startswith("/screens?asked=r-")
    exported = page.get("/screens/profiles/momentum_pullback.yaml")
    assert exported.text == PROFILE
    assert exported.headers["content-disposition"] == 'attachment; filename="momentum_pullback.yaml"'
    assert page.get("/screens/profiles/momentum_pullback.yaml?version=1").status_code == 200
    assert page.get("/screens/profiles/momentum_pullback.yaml?version=9").status_code == 404
    wrong = send(page, "/screens/profiles/momentum_pullback/run", session="yesterday")
    assert "Enter a date as 2026-11-20" in wrong.text
    send(page, "/screens/profiles/momentum_pullback/run", session="2026-11-19")
    assert newest(database_url).payload == {
        "profile": "momentum_pullback",
        "session": "2026-11-19",
        "slot": "evening",
    }
    send(page, "/screens/profiles/momentum_pullback/delete")
    assert newest(database_url).kind == "delete_profile"
    assert page.get("/screens/profiles/nothing").status_code == 404


def test_an_earlier_version_is_brought_back_and_proposed_weights_are_decided(
    page: TestClient, database_url: str
) -> None:
    shown = page.get("/screens/profiles/momentum_pullback").text
    assert "for version 2" in shown
    assert "118 picks, 9 separate horizons" in shown
    send(page, "/screens/profiles/momentum_pullback/restore?version=1", version="1")
    assert newest(database_url).payload == {"name": "momentum_pullback", "version": 1}
    for wrong in ("9", "", "x", "-1", "1" * 30):
        form = page.get("/videos")
        fields = {name: hidden(form, name) for name in ("csrf_token", "key")} | {"version": wrong}
        assert page.post("/screens/profiles/momentum_pullback/restore", data=fields).status_code == 404
    decided = send(page, "/screens/proposals/1/approve")
    assert decided.headers["location"].startswith("/screens/profiles/momentum_pullback?asked=r-")
    assert newest(database_url).payload == {"proposal": 1, "decision": "approve"}
    assert page.get("/screens/proposals/9/approve").status_code == 404
    (listed,) = page.get("/api/v1/profiles/momentum_pullback/proposals").json()
    assert {"factor": "return_126", "current": 0.7, "proposed": 0.6} in listed["weights"]


def test_a_pause_is_asked_for_and_answered(page: TestClient, database_url: str) -> None:
    sent = send(page, "/trading/1/pause")
    assert sent.headers["location"].startswith("/trading?account=1&asked=c-")
    row = newest(database_url, OperatorCommand)
    assert (row.account_id, row.command, row.requested_by, row.applied_at) == (1, "pause", "demo", None)
    assert "pause entries of rsi_pullback paper" in page.get(sent.headers["location"]).text

    def take(session) -> None:  # type: ignore[no-untyped-def]
        command = session.get_one(OperatorCommand, row.id)
        command.applied_at, command.result = command.requested_at, "done"
        session.add(AccountHalt(account_id=1, kind="paused", since=command.requested_at, reason="by ann"))

    work(database_url, take)
    shown = page.get(sent.headers["location"]).text
    assert 'class="answer answer-good" id="asked"' in shown
    assert "Resume entries" in shown


def test_flatten_wants_the_name_of_the_account(page: TestClient, database_url: str) -> None:
    before = len(rows(database_url, OperatorCommand))
    for typed in ("", "rsi_pullback", "RSI_PULLBACK PAPER", "yes"):
        sent = send(page, "/trading/1/flatten", confirm=typed)
        assert sent.status_code == 422
        assert "Type the account&#39;s name exactly" in sent.text
    assert len(rows(database_url, OperatorCommand)) == before
    send(page, "/trading/1/flatten", confirm=ACCOUNT)
    assert newest(database_url, OperatorCommand).command == "flatten"


def test_one_position_is_closed_and_one_order_cancelled(page: TestClient, database_url: str) -> None:
    send(page, "/trading/1/close?target=AAPL", target="AAPL")
    assert newest(database_url, OperatorCommand).target == "AAPL"
    assert page.get("/trading/1/close?target=GME").status_code == 404
    form = page.get("/trading/1/close?target=AAPL")
    fields = {name: hidden(form, name) for name in ("csrf_token", "key")}
    gone = page.post("/trading/1/close", data=fields | {"target": "GME"})
    assert gone.status_code == 422
    assert "The account holds no GME." in gone.text
    send(page, "/trading/1/cancel?target=target-aapl", target="target-aapl")
    assert newest(database_url, OperatorCommand).command == "cancel"
    filled = page.post("/trading/1/cancel", data=fields | {"target": "order-001"})
    assert "The order is filled already." in filled.text


@pytest.mark.parametrize(
    ("price", "says"),
    [
        ("", "Enter a price in US dollars"),
        ("cheap", "Enter a price in US dollars"),
        ("0", "above 0"),
        ("-5", "above 0"),
        ("NaN", "above 0"),
        ("Infinity", "above 0"),
        ("1e400", "above 0"),
        ("1.23456789", "at most 6 decimal places"),
    ],
)
def test_a_wrong_stop_is_said(page: TestClient, price: str, says: str) -> None:
    sent = send(page, "/trading/1/edit_stop?target=stop-aapl", target="stop-aapl", stop=price)
    assert sent.status_code == 422
    assert says in sent.text


def test_a_stop_is_moved(page: TestClient, database_url: str) -> None:
    send(page, "/trading/1/edit_stop?target=stop-aapl", target="stop-aapl", stop="$1,225.50")
    row = newest(database_url, OperatorCommand)
    assert (row.command, row.target, row.stop) == ("edit_stop", "stop-aapl", Decimal("1225.5"))
    sent = send(page, "/trading/1/edit_stop?target=target-aapl", target="target-aapl", stop="1")
    assert "has no stop to move" in sent.text


def test_a_strategy_is_approved_and_what_follows_is_shown(page: TestClient, database_url: str) -> None:
    assert "insufficient evidence" in page.get("/strategies/1/approve").text
    sent = send(page, "/strategies/1/approve")
    row = newest(database_url, Decision)
    assert (row.spec_id, row.choice, row.decided_by) == (1, "approve", "demo")

    def follow(session) -> None:  # type: ignore[no-untyped-def]
        session.add(
            Promotion(spec_id=1, promoted=False, reason="the verdict is too weak", decision_id=row.id)
        )

    work(database_url, follow)
    shown = page.get(sent.headers["location"]).text
    assert "approve golden cross for paper" in shown
    assert "the verdict is too weak" in shown
    send(page, "/strategies/1/retire")
    assert newest(database_url, Decision).choice == "retire"
    assert page.get("/strategies/1/format").status_code in (400, 404)
    assert page.get("/strategies/99/approve").status_code == 404


def test_something_is_assumed_that_a_video_does_not_say(page: TestClient, database_url: str) -> None:
    nothing = send(page, "/strategies/1/overlay", choices="")
    assert "Choose one of the exits, or write PLACE=VALUE" in nothing.text
    assert "at most 200 characters" in send(page, "/strategies/1/overlay", choices="x" * 201).text
    sent = send(page, "/strategies/1/overlay", choices="exit.stop.percent=5\n\n sizing.percent_of_equity=50 ")
    assert sent.headers["location"].startswith("/strategies/1?asked=r-")
    assert newest(database_url).payload == {
        "spec": "golden_cross",
        "choices": ["exit.stop.percent=5", "sizing.percent_of_equity=50"],
    }
    assert page.get("/strategies/99/overlay").status_code == 404


def test_the_api_asks_for_the_same_things(page: TestClient, database_url: str) -> None:
    headers = api_headers(page)
    body = {"kind": "run_screen", "payload": {"profile": "momentum_pullback"}, "key": "k" * 16}
    first = page.post("/api/v1/requests", json=body, headers=headers)
    again = page.post("/api/v1/requests", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["state"] == "waiting"
    assert page.get(f"/api/v1/requests/{first.json()['id']}").json() == first.json()
    listed = page.get("/api/v1/requests", params={"kind": "run_screen", "waiting": True}).json()["items"]
    assert first.json() in listed
    commands = "/api/v1/accounts/1/commands"
    told = page.post(commands, json={"command": "close", "target": "AAPL"}, headers=headers)
    assert (told.status_code, told.json()["about"]) == (201, "close AAPL in rsi_pullback paper")
    for wrong, status in [
        ({"command": "flatten"}, 400),
        ({"command": "flatten", "confirm": "no"}, 400),
        ({"command": "close"}, 400),
        ({"command": "close", "target": "GME"}, 409),
        ({"command": "cancel", "target": "order-001"}, 409),
        ({"command": "edit_stop", "target": "stop-aapl", "stop": 0}, 422),
        ({"command": "format"}, 422),
        ({"command": "pause", "by": "somebody else"}, 422),
    ]:
        found = page.post(commands, json=wrong, headers=headers)
        assert found.status_code == status, (wrong, found.text)
    assert (
        page.post("/api/v1/accounts/99/commands", json={"command": "pause"}, headers=headers).status_code
        == 404
    )
    flat = page.post(commands, json={"command": "flatten", "confirm": ACCOUNT}, headers=headers)
    assert flat.status_code == 201
    decided = page.post("/api/v1/strategies/2/decisions", json={"choice": "retire"}, headers=headers)
    assert decided.status_code == 201
    assert newest(database_url, Decision).decided_by == "demo"


def test_the_api_serves_profiles_in_every_way(page: TestClient, database_url: str) -> None:
    headers = api_headers(page)
    (listed,) = page.get("/api/v1/profiles").json()
    assert (listed["name"], listed["version"], listed["record"]["picks"]) == ("momentum_pullback", 2, 118)
    found = page.get("/api/v1/profiles/momentum_pullback").json()
    assert [v["version"] for v in found["versions"]] == [2, 1]
    factors, model = page.get("/api/v1/profiles/momentum_pullback/record").json()["parts"]
    measures = {measure["name"]: measure for measure in factors["measures"]}
    assert (model["verdict"], model["reliability"][0]["observed"]) == ("insufficient (40 of 100)", 0.55)
    assert (measures["hit_rate"]["low"], measures["hit_rate"]["n"]) == (0.44, 118)
    exported = page.get("/api/v1/profiles/momentum_pullback/export?version=1")
    assert exported.text == PROFILE
    wrong = page.post("/api/v1/profiles", json={"document": "name: x\nfactor: []\n"}, headers=headers)
    assert wrong.status_code == 400
    assert wrong.json()["detail"].startswith("Line 2: factor: unknown field")
    bomb = "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\n" + "c: [*b]\n"
    assert page.post("/api/v1/profiles", json={"document": bomb}, headers=headers).status_code == 400
    made = page.post("/api/v1/profiles", json={"document": PROFILE}, headers=headers)
    assert (made.status_code, made.json()["kind"]) == (201, "save_profile")
    path = "/api/v1/profiles/momentum_pullback"
    assert page.put(path, json={"document": PROFILE}, headers=headers).status_code == 201
    renamed = PROFILE.replace("momentum_pullback", "x")
    assert page.put(path, json={"document": renamed}, headers=headers).status_code == 400
    ran = page.post(f"{path}/runs", json={"session": "2026-11-19"}, headers=headers)
    assert ran.json()["payload"] == {
        "profile": "momentum_pullback",
        "session": "2026-11-19",
        "slot": "evening",
    }
    assert page.delete(path, headers=headers).json()["kind"] == "delete_profile"
    assert page.delete("/api/v1/profiles/nothing", headers=headers).status_code == 404


def test_a_candidate_is_shown_with_its_factors_its_chart_and_who_else_picked_it(page: TestClient) -> None:
    shown = page.get("/screens/1/NVDA").text
    assert 'data-prices="/api/v1/charts/NVDA"' in shown
    assert 'data-stop="111.310000"' in shown
    assert "strong, but extended" in shown
    assert "low agreement" in shown
    assert ">gap and go</a>" in shown
    candles = page.get("/api/v1/charts/NVDA").json()["candles"]
    assert (len(candles), candles[-1]["session"]) == (252, "2026-11-20")
    assert page.get("/api/v1/screens/1/picks/NVDA").json()["same_session"][0]["profile"] == "gap_and_go"
    assert page.get("/screens/1/NOTHING").status_code == 404
    assert page.get("/api/v1/charts/GME").status_code == 404


def test_limits_say_how_near_they_are(page: TestClient) -> None:
    shown = page.get("/trading").text
    assert 'aria-label="drawdown: ' in shown
    assert "no limit is set" in shown
    assert "its stop is 14 % away, 10 % is allowed" in shown
