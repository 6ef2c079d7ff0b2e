"""Who gets in: logins, sessions that end when they should, and guesses that are slowed down."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from itsdangerous import URLSafeTimedSerializer

from falcon_pipelines.dashboard.access.policy import AccessPolicy
from falcon_pipelines.dashboard.access.sessions import SESSION_SECONDS
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import LoginEvent
from falcon_pipelines.db.users import change_password, change_role, disable
from tests.dashboard.clients import CLOSED, KEY, PASSWORD, closed_client, hidden, log_in, make_user

SESSION = "falcon-session"


@pytest.fixture
def browser(database_url: str) -> Iterator[TestClient]:
    """A browser in front of a dashboard with an operator ann and a viewer vic."""
    make_user(database_url, "ann", "operator")
    make_user(database_url, "vic", "viewer")
    with closed_client(database_url) as client:
        yield client


def carry(client: TestClient, cookie: str) -> None:
    """Let the browser carry this session cookie and no other."""
    if SESSION in [found.name for found in client.cookies.jar]:
        client.cookies.delete(SESSION)
    client.cookies.set(SESSION, cookie, domain="127.0.0.1", path="/")


def change(url: str, work: object, *arguments: object) -> None:
    engine = database_engine(url)
    with transaction(engine) as session:
        work(session, *arguments)  # type: ignore[operator]
    engine.dispose()


def test_a_login_leads_to_the_page_that_was_asked_for(browser: TestClient) -> None:
    asked = browser.get("/trading?ticker=AAPL")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/login?next=%2Ftrading%3Fticker%3DAAPL"
    page = browser.get(asked.headers["location"])
    assert hidden(page, "next") == "/trading?ticker=AAPL"
    answer = log_in(browser, "ann", wanted="/trading?ticker=AAPL")
    assert (answer.status_code, answer.headers["location"]) == (303, "/trading?ticker=AAPL")
    shown = browser.get("/trading")
    assert shown.status_code == 200
    assert "ann" in shown.text
    assert browser.get("/login").headers["location"] == "/"


def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_clear_text(database_url: str) -> None:
    make_user(database_url, "ann", "operator")
    with closed_client(database_url, base="https://falcon.example") as client:
        cookie = log_in(client, "ann").headers["set-cookie"]
    assert cookie.startswith("__Host-falcon-session=")
    for attribute in ("HttpOnly", "SameSite=lax", "Secure", "Path=/", f"Max-Age={SESSION_SECONDS}"):
        assert attribute in cookie


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ann", "wrong password"),
        ("nobody", PASSWORD),
        ("ann", PASSWORD + " "),
        ("ann'--", PASSWORD),
        ("ann\0", PASSWORD),
        ("a" * 5000, "b" * 5000),
        ("ann", "\0"),
    ],
)
def test_a_wrong_name_and_a_wrong_password_read_the_same(
    browser: TestClient, name: str, password: str
) -> None:
    answer = log_in(browser, name, password)
    assert answer.status_code == 401
    assert "The name or the password is not right." in answer.text
    assert SESSION not in answer.headers.get("set-cookie", "")
    assert password not in answer.text or len(password) < 3


def test_an_unknown_name_takes_as_long_as_a_known_one(browser: TestClient) -> None:
    def seconds(name: str) -> float:
        """Of processor time, which a busy machine does not change; the browser and the dashboard are one process."""
        started = time.process_time()
        log_in(browser, name, "wrong password")
        return time.process_time() - started

    log_in(browser, "warmup", "wrong password")
    known, unknown = min(seconds("vic") for _ in range(2)), min(seconds(f"nobody{n}") for n in range(2))
    assert unknown > known / 3, "an unknown name must cost a password hash, too"


def test_the_name_is_not_case_sensitive_and_may_have_blanks_around_it(browser: TestClient) -> None:
    assert log_in(browser, " Ann ").status_code == 303


def test_an_empty_form_says_what_to_do(browser: TestClient) -> None:
    answer = log_in(browser, "", "")
    assert answer.status_code == 422
    assert "Enter your name and your password." in answer.text


def test_failures_make_the_next_try_wait_even_with_the_right_password(browser: TestClient) -> None:
    for _ in range(5):
        assert log_in(browser, "ann", "wrong password").status_code == 401
    answer = log_in(browser, "ann")
    assert answer.status_code == 429
    assert "Too many logins failed. Wait" in answer.text
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert log_in(browser, "vic").status_code == 303


def test_one_address_cannot_try_many_names(browser: TestClient) -> None:
    answers = [log_in(browser, f"nobody{n}", "wrong password").status_code for n in range(21)]
    assert answers == [401] * 20 + [429]
    api = browser.post("/api/v1/session", json={"name": "ann", "password": PASSWORD})
    assert api.status_code == 429
    assert "Wait" in api.json()["detail"]


def test_a_session_that_was_logged_out_of_is_worth_nothing(browser: TestClient) -> None:
    log_in(browser, "ann")
    stolen = browser.cookies[SESSION]
    page = browser.get("/")
    out = browser.post("/logout", data={"csrf_token": hidden(page, "csrf_token")})
    assert out.headers["location"] == "/login"
    assert SESSION not in browser.cookies
    carry(browser, stolen)
    assert browser.get("/").status_code == 303


def test_a_logout_holds_in_other_processes_and_after_a_restart(
    browser: TestClient, database_url: str
) -> None:
    log_in(browser, "ann")
    stolen = browser.cookies[SESSION]
    with closed_client(database_url) as other:
        carry(other, stolen)
        assert other.get("/").status_code == 200
        page = browser.get("/")
        browser.post("/logout", data={"csrf_token": hidden(page, "csrf_token")})
        deadline = time.monotonic() + 15
        while other.get("/").status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert other.get("/").status_code == 303
        log_in(other, "ann")
        assert other.get("/").status_code == 200, "only the session that was left has ended"
    with closed_client(database_url) as restarted:
        carry(restarted, stolen)
        assert restarted.get("/").status_code == 303


def test_a_restart_keeps_sessions(browser: TestClient, database_url: str) -> None:
    log_in(browser, "ann")
    with closed_client(database_url) as restarted:
        carry(restarted, browser.cookies[SESSION])
        assert restarted.get("/").status_code == 200


def test_failures_are_remembered_by_other_processes_and_after_a_restart(
    browser: TestClient, database_url: str
) -> None:
    for _ in range(5):
        log_in(browser, "ann", "wrong password")
    with closed_client(database_url) as restarted:
        assert log_in(restarted, "ann").status_code == 429
        assert log_in(restarted, "vic").status_code == 303


def test_tries_at_the_same_time_are_counted_before_they_are_judged(
    browser: TestClient, database_url: str
) -> None:
    wrong = {"name": "ann", "password": "wrong password"}
    with closed_client(database_url) as other, ThreadPoolExecutor(8) as pool:

        def status(number: int) -> int:
            return (browser, other)[number % 2].post("/api/v1/session", json=wrong).status_code

        answers = list(pool.map(status, range(8)))
    assert sorted(answers) == [401] * 5 + [429] * 3


def test_what_was_typed_instead_of_a_name_is_not_written_down(browser: TestClient, database_url: str) -> None:
    for typed in ("my secret password", "mysecretpassword", "ann"):
        log_in(browser, typed, "wrong password")
    engine = database_engine(database_url)
    with transaction(engine) as session:
        names = [event.name for event in session.query(LoginEvent).order_by(LoginEvent.id)]
    engine.dispose()
    assert [name[0] for name in names] == ["?", "?", "a"]
    assert names[0] != names[1]
    assert "secret" not in str(names)


@pytest.mark.parametrize(
    ("work", "arguments"),
    [
        (disable, ("ann",)),
        (change_role, ("ann", "viewer")),
        (change_password, ("ann", "another good password")),
    ],
)
def test_a_changed_user_has_to_log_in_again(
    browser: TestClient, database_url: str, work: object, arguments: tuple[str, ...]
) -> None:
    log_in(browser, "ann")
    assert browser.get("/").status_code == 200
    change(database_url, work, *arguments)
    deadline = time.monotonic() + 15
    while browser.get("/").status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert browser.get("/").status_code == 303


def test_a_disabled_user_cannot_log_in(browser: TestClient, database_url: str) -> None:
    change(database_url, disable, "ann")
    assert log_in(browser, "ann").status_code == 401


def test_a_session_of_before_the_login_is_not_kept(browser: TestClient) -> None:
    carry(browser, "chosen-by-somebody-else")
    visit = browser.get("/login").headers["set-cookie"]
    log_in(browser, "ann")
    first = browser.cookies[SESSION]
    assert first != "chosen-by-somebody-else"
    assert "HttpOnly" in visit
    browser.cookies.clear()
    log_in(browser, "ann")
    assert browser.cookies[SESSION] != first


@pytest.mark.parametrize("key", ["another key, just as long as the first one", KEY])
def test_a_forged_or_old_cookie_is_no_session(
    browser: TestClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(browser, "ann")
    good = browser.cookies[SESSION]
    forged = URLSafeTimedSerializer(key, salt="falcon-session").dumps(["ann", 0, "x"])
    for cookie in (forged, good[:-2] + "xx", good.replace(".", "..", 1), "x" * 5000, ""):
        carry(browser, cookie)
        assert browser.get("/").status_code == 303
    carry(browser, good)
    assert browser.get("/").status_code == 200
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + SESSION_SECONDS + 5)
    assert browser.get("/").status_code == 303


def test_a_login_never_leads_off_the_dashboard(browser: TestClient) -> None:
    assert log_in(browser, "ann", wanted="//evil.example/").headers["location"] == "/"


def test_without_users_the_page_says_how_to_make_one(database_url: str) -> None:
    with closed_client(database_url) as client:
        page = client.get("/login")
        assert "falcon user add YOURNAME --role operator" in page.text
        make_user(database_url, "ann", "operator")
        assert "Password" in client.get("/login").text


def test_a_password_appears_in_no_log_and_every_request_in_one_line(
    browser: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        log_in(browser, "ann", "a wrong password")
        log_in(browser, "ann")
        browser.get("/trading?ticker=SECRET")
    lines = [record.message for record in caplog.records if record.name == "falcon.audit"]
    assert len(lines) == 5
    assert '"who": "ann"' in lines[-1]
    assert '"path": "/trading", "status": 200' in lines[-1]
    assert '"asked": "log in as ann"' in lines[1]
    everything = caplog.text
    assert "a wrong password" not in everything
    assert PASSWORD not in everything
    assert "SECRET" not in "".join(lines)


def test_with_the_database_away_a_login_counts_for_nothing(tmp_path: object) -> None:
    with closed_client("postgresql://nobody@127.0.0.1:9/falcon") as client:
        page = client.get("/login")
        assert page.status_code == 503
        assert "The database does not answer" in page.text
        for _ in range(8):
            answer = client.post("/api/v1/session", json={"name": "ann", "password": PASSWORD})
            assert answer.status_code == 503


def test_the_api_logs_in_with_the_same_session(browser: TestClient) -> None:
    assert browser.get("/api/v1/overview").status_code == 401
    wrong = browser.post("/api/v1/session", json={"name": "ann", "password": "wrong password"})
    assert (wrong.status_code, wrong.json()) == (401, {"detail": "The name or the password is not right."})
    state = browser.post("/api/v1/session", json={"name": "ann", "password": PASSWORD}).json()
    assert (state["name"], state["role"]) == ("ann", "operator")
    assert browser.get("/api/v1/overview").status_code == 200
    assert browser.delete("/api/v1/session").status_code == 403
    gone = browser.delete("/api/v1/session", headers={"X-CSRF-Token": state["csrf_token"]})
    assert gone.status_code == 204
    assert browser.get("/api/v1/overview").status_code == 401


def test_nginx_is_told_who_may_see_what_it_protects(browser: TestClient) -> None:
    assert browser.get("/auth").status_code == 401
    log_in(browser, "vic")
    allowed = browser.get("/auth")
    assert allowed.status_code == 204
    assert (allowed.headers["x-falcon-user"], allowed.headers["x-falcon-role"]) == ("vic", "viewer")
    assert browser.get("/auth?role=operator").status_code == 403
    browser.cookies.clear()
    log_in(browser, "ann")
    assert browser.get("/auth?role=operator").headers["x-falcon-role"] == "operator"


NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "X-Original-Method": "GET"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204),
        ({"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}, 204),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "X-Original-URI": "/dagster/runs", **NAVIGATION}, 204),
        ({"Sec-Fetch-Site": "cross-site", "X-Original-URI": "/dagster/graphql?query=x", **NAVIGATION}, 403),
        (
            {"Sec-Fetch-Site": "cross-site", **NAVIGATION, "X-Original-Method": "POST"},
            403,
        ),
        ({"Sec-Fetch-Site": "cross-site", **NAVIGATION, "Sec-Fetch-Dest": "iframe"}, 403),
    ],
)
def test_nginx_lets_through_what_our_own_pages_send_and_links_to_pages(
    browser: TestClient, headers: dict[str, str], status: int
) -> None:
    log_in(browser, "ann")
    assert browser.get("/auth", headers=headers).status_code == status


def test_nginx_is_told_when_a_session_has_ended(
    browser: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(browser, "ann")
    good = browser.cookies[SESSION]
    page = browser.get("/")
    browser.post("/logout", data={"csrf_token": hidden(page, "csrf_token")})
    carry(browser, good)
    assert browser.get("/auth").status_code == 401
    log_in(browser, "vic")
    assert browser.get("/auth").headers["x-falcon-role"] == "viewer"
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + SESSION_SECONDS + 5)
    expired = browser.get("/auth")
    assert (expired.status_code, expired.headers.get("x-falcon-role")) == (401, None)


def test_metrics_are_for_the_monitor_only(database_url: str) -> None:
    monitored = AccessPolicy(session_key=KEY, metrics_from=("testclient",))
    with closed_client(database_url, monitored) as client:
        client.get("/healthz")
        numbers = client.get("/metrics")
        assert (
            'falcon_dashboard_requests_total{method="GET",route="/healthz",status="200"} 1.0' in numbers.text
        )
        assert client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.7"}).status_code == 403
    with closed_client(database_url, CLOSED) as client:
        assert client.get("/metrics").status_code == 403
        assert client.get("/status").status_code == 403
        assert client.get("/livez").status_code == 200
