"""Clients of dashboards in this process: open ones, and browsers that have to log in."""

import re
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from falcon_pipelines.dashboard.access.policy import AccessPolicy
from falcon_pipelines.dashboard.app import create_app
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.roles import WEB
from falcon_pipelines.db.users import Role, add_user

KEY = "a key for tests, longer than it has to be"
OPEN = AccessPolicy(session_key=KEY, login=False)
CLOSED = AccessPolicy(session_key=KEY)
LOOPBACK = "http://127.0.0.1"
PATIENCE_SECONDS = 30.0
"""A busy machine does not make a test fail; how soon a hung database is given up on has tests of its own."""
PASSWORD = "correct horse battery"


def as_web(url: str) -> str:
    """The same database for the role that dashboards connect as."""
    return url.replace("://postgres@", f"://{WEB}@")


def open_client(url: str) -> TestClient:
    """A dashboard that needs no login, asked for as this machine's own."""
    app = create_app(as_web(url), OPEN, deadline_seconds=PATIENCE_SECONDS)
    return TestClient(app, base_url=LOOPBACK, raise_server_exceptions=False)


def closed_client(url: str, policy: AccessPolicy = CLOSED, *, base: str = LOOPBACK) -> TestClient:
    """A dashboard behind a login, reached by somebody who has not logged in."""
    app = create_app(as_web(url), policy, deadline_seconds=PATIENCE_SECONDS)
    return TestClient(app, base_url=base, raise_server_exceptions=False, follow_redirects=False)


def make_user(url: str, name: str, role: Role, password: str = PASSWORD) -> None:
    """A user as `falcon user add` makes one."""
    engine = database_engine(url)
    with transaction(engine) as session:
        add_user(session, name, password, role)
    engine.dispose()


def hidden(page: Response, name: str) -> str:
    """A hidden field of the last form on a page."""
    found = re.findall(f'name="{name}" value="([^"]*)"', page.text)
    assert found, f"no field {name} on the page"
    return str(found[-1])


def log_in(client: TestClient, name: str, password: str = PASSWORD, wanted: str = "/") -> Response:
    """What the login form answers."""
    page = client.get("/login", params={"next": wanted})
    return client.post(
        "/login",
        data={"csrf_token": hidden(page, "csrf_token"), "name": name, "password": password, "next": wanted},
    )


def send(client: TestClient, path: str, **fields: Any) -> Response:
    """The form at `path`, filled in and sent once."""
    page = client.get(path)
    assert page.status_code == 200, page.text[:300]
    secret = {name: hidden(page, name) for name in ("csrf_token", "key")}
    return client.post(path.partition("?")[0], data=secret | fields, follow_redirects=False)


def api_headers(client: TestClient) -> dict[str, str]:
    """What a change by JSON needs beside the session."""
    return {"X-CSRF-Token": client.get("/api/v1/session").json()["csrf_token"]}
