"""What stands before every route: logins, roles, tokens, origins, sizes and kinds of what is sent."""

import logging
import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from falcon_pipelines.dashboard.access.gate import LARGEST_BODY
from falcon_pipelines.dashboard.app import create_app
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import Request
from tests.dashboard.clients import (
    CLOSED,
    LOOPBACK,
    OPEN,
    PASSWORD,
    api_headers,
    closed_client,
    hidden,
    log_in,
    make_user,
    open_client,
)

WITHOUT_LOGIN = {
    "/healthz",
    "/readyz",
    "/favicon.ico",
    "/static/{digest}/{name}",
    "/login",
    "/auth",
    "/livez",
    "/metrics",
    "/status",
}
STUDY = {"kind": "study_video", "payload": {"url": "https://youtu.be/abc"}}


@pytest.fixture
def browser(database_url: str) -> Iterator[TestClient]:
    """A browser in which the operator ann has logged in."""
    make_user(database_url, "ann", "operator")
    make_user(database_url, "vic", "viewer")
    with closed_client(database_url) as client:
        log_in(client, "ann")
        yield client


def routes() -> list[tuple[str, str]]:
    """Every method and path of the application."""
    app = create_app("postgresql://nowhere@127.0.0.1:9/x", OPEN)
    found = [(method, route.path) for route in _all(app.routes) for method in sorted(route.methods)]
    assert len(found) > 30
    return found


def _all(routes: object) -> Iterator[APIRoute]:
    for route in routes:  # type: ignore[attr-defined]
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from _all(route.original_router.routes)


def filled(path: str) -> str:
    """A path with its parameters filled in."""
    return re.sub(r"\{[^}]*\}", "1", path)


def requests_asked(url: str) -> int:
    engine = database_engine(url)
    with transaction(engine) as session:
        count = session.query(Request).count()
    engine.dispose()
    return count


def test_nothing_is_shown_without_a_login(database_url: str) -> None:
    with closed_client(database_url) as client:
        for method, path in routes():
            if path in WITHOUT_LOGIN or (method, path) == ("POST", "/api/v1/session"):
                continue
            answer = client.request(method, filled(path))
            if path.startswith("/api/") or path == "/live":
                assert answer.status_code == 401, path
            else:
                assert answer.status_code == 303, path
                assert answer.headers["location"].startswith("/login"), path


def test_nothing_is_changed_without_a_token(browser: TestClient) -> None:
    for method, path in routes():
        if method in ("GET", "HEAD") or (method, path) == ("POST", "/api/v1/session"):
            continue
        for data in ({}, {"csrf_token": ""}, {"csrf_token": "00.ff"}):
            if path.startswith("/api/"):
                answer = browser.request(method, filled(path), json={}, headers={"X-CSRF-Token": "00.ff"})
            else:
                answer = browser.request(method, filled(path), data=data)
            assert answer.status_code in (403, 415), (method, path)


def test_a_viewer_changes_nothing(browser: TestClient, database_url: str) -> None:
    browser.cookies.clear()
    log_in(browser, "vic")
    headers = api_headers(browser)
    for method, path in routes():
        if method in ("GET", "HEAD") or path in ("/login", "/logout", "/api/v1/session"):
            continue
        if path.startswith("/api/"):
            answer = browser.request(method, filled(path), json=STUDY, headers=headers)
        else:
            answer = browser.request(method, filled(path), data={"csrf_token": headers["X-CSRF-Token"]})
        assert answer.status_code == 403, (method, path)
        assert "vic is a viewer" in answer.text
    assert requests_asked(database_url) == 0


def test_a_token_of_another_session_is_none(browser: TestClient, database_url: str) -> None:
    with closed_client(database_url) as other:
        log_in(other, "vic")
        foreign = api_headers(other)["X-CSRF-Token"]
    assert browser.post("/api/v1/requests", json=STUDY, headers={"X-CSRF-Token": foreign}).status_code == 403
    assert (
        browser.post("/videos", data={"csrf_token": foreign, "url": "https://youtu.be/a"}).status_code == 403
    )
    assert requests_asked(database_url) == 0


@pytest.mark.parametrize(
    "told",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://127.0.0.1:8001"},
    ],
)
def test_what_another_site_sends_is_refused_even_with_a_token(
    browser: TestClient, database_url: str, told: dict[str, str]
) -> None:
    headers = api_headers(browser) | told
    assert browser.post("/api/v1/requests", json=STUDY, headers=headers).status_code == 403
    own = api_headers(browser) | {"Origin": LOOPBACK, "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/api/v1/requests", json=STUDY, headers=own).status_code == 201
    assert requests_asked(database_url) == 1


def test_a_login_cannot_be_sent_from_another_site(database_url: str) -> None:
    make_user(database_url, "ann", "operator")
    with closed_client(database_url) as client:
        without = client.post("/login", data={"name": "ann", "password": PASSWORD})
        assert without.status_code == 403
        page = client.get("/login")
        fields = {"csrf_token": hidden(page, "csrf_token"), "name": "ann", "password": PASSWORD}
        foreign = client.post("/login", data=fields, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
        api = {"name": "ann", "password": PASSWORD}
        assert client.post("/api/v1/session", json=api, headers={"Origin": "null"}).status_code == 403


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/api/v1/requests", "text/plain", b"{}"),
        ("/api/v1/requests", "application/x-www-form-urlencoded", b"kind=study_video"),
        ("/api/v1/requests", None, b"{}"),
        ("/api/v1/session", "text/plain", b"{}"),
        ("/videos", "application/json", b"{}"),
        ("/videos", "multipart/form-data; boundary=x", b"--x--"),
        ("/videos", None, b"url=x"),
    ],
)
def test_the_wrong_kind_of_body_is_refused(
    browser: TestClient, path: str, kind: str | None, body: bytes
) -> None:
    headers = api_headers(browser) | ({"Content-Type": kind} if kind else {})
    assert browser.post(path, content=body, headers=headers).status_code == 415


def test_too_large_a_body_is_refused_with_and_without_its_length(browser: TestClient) -> None:
    headers = api_headers(browser) | {"Content-Type": "application/json"}
    large = b"x" * (LARGEST_BODY + 1)
    assert browser.post("/api/v1/requests", content=large, headers=headers).status_code == 413
    pieces = (large[start : start + 65_536] for start in range(0, len(large), 65_536))
    assert browser.post("/api/v1/requests", content=pieces, headers=headers).status_code == 413
    many = "&".join(f"a{n}=1" for n in range(500))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.post("/videos", content=many, headers=form).status_code == 400
    assert browser.post("/videos", content=b"url=%ff%fe", headers=form).status_code == 400
    assert browser.post("/videos", content=b"url=a&url=b", headers=form).status_code == 400


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_get_stays_a_get_whatever_it_says_of_itself(
    browser: TestClient, database_url: str, name: str
) -> None:
    browser.get("/videos?_method=POST&url=https://youtu.be/a", headers={name: "POST"})
    browser.get("/logout", headers={name: "POST"})
    assert browser.get("/").status_code == 200
    assert requests_asked(database_url) == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
def test_other_methods_do_nothing(browser: TestClient, method: str) -> None:
    headers = api_headers(browser)
    assert browser.request(method, "/api/v1/requests", json=STUDY, headers=headers).status_code == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.5:8000", ""])
def test_an_open_dashboard_answers_under_this_machines_name_only(database_url: str, host: str) -> None:
    with open_client(database_url) as client:
        assert client.get("/", headers={"Host": "localhost:8000"}).status_code == 200
        assert client.get("/", headers={"Host": host}).status_code == 403
        assert client.get("/api/v1/overview", headers={"Host": host}).status_code == 403
        assert client.get("/", headers={"X-Forwarded-For": "10.0.0.9"}).status_code == 403


def test_an_open_dashboard_still_wants_its_own_forms(database_url: str) -> None:
    with open_client(database_url) as client:
        assert client.post("/api/v1/requests", json=STUDY).status_code == 403
        assert client.post("/api/v1/requests", json=STUDY, headers=api_headers(client)).status_code == 201
        page = client.get("/videos")
        assert "no login" in page.text
        assert "Log out" not in page.text


def test_what_was_asked_is_in_the_audit_line(browser: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="falcon.audit"):
        browser.post("/api/v1/requests", json=STUDY, headers=api_headers(browser))
        browser.get("/videos/%0d%0aforged")
    asked, forged = caplog.messages[-2:]
    assert '"who": "ann", "role": "operator"' in asked
    assert '"asked": "study_video"' in asked
    assert "\n" not in forged


def test_pages_and_data_are_kept_in_no_cache(browser: TestClient) -> None:
    for path in ("/", "/trading", "/api/v1/session"):
        assert browser.get(path).headers["cache-control"] == "no-store"
    assert CLOSED.login
