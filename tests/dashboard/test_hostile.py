"""Whatever is typed into any field or stored by anybody is text: never markup, never a template, never SQL, never a crash."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import yaml
from fastapi.testclient import TestClient
from sqlalchemy import text

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.db.migrate import upgrade
from falcon_pipelines.db.models import Base
from tests.dashboard.clients import api_headers, hidden, open_client
from tests.dashboard.seed import seed, seeded_database
from tests.dashboard.seed_asking import PROFILE

MARKUP = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE = {
    "markup": MARKUP,
    "template": "{{ 7919 * 7907 }}{% include '/etc/passwd' %}${7919*7907}#{7919*7907}",
    "sql": "'; DROP TABLE requests; --",
    "direction": "\u202egnp.exe\u2066\u200b\ufeff",
    "long": "A" * 10_240,
    "nul": "a\0b",
    "lines": "a\r\nSet-Cookie: x=1\r\n\r\n<b>",
    "unicode": "𝕏" * 40 + "\u0000\ufffe\ud7ff",
    "surrogate": "\\ud800",
    "path": "../../../../etc/passwd%00",
}
FORMS = {
    "/videos": ("url",),
    "/feeds": ("feed",),
    "/feeds/unwatch": ("url",),
    "/screens/profiles/new": ("document",),
    "/screens/profiles/momentum_pullback/edit": ("document",),
    "/screens/profiles/momentum_pullback/run": ("session",),
    "/trading/1/flatten": ("confirm", "target"),
    "/trading/1/close": ("target",),
    "/trading/1/cancel": ("target",),
    "/trading/1/edit_stop": ("target", "stop"),
    "/login": ("name", "password", "next"),
    "/logout": ("next",),
}
PAGES = (
    "/",
    "/screens",
    "/screens/1",
    "/screens/1/NVDA",
    "/screens/profiles/momentum_pullback",
    "/screens/profiles/momentum_pullback/edit",
    "/strategies",
    "/strategies/1",
    "/strategies/1/approve",
    "/videos",
    "/videos/demo0000001",
    "/trading",
    "/trading/1/flatten",
    "/data",
    "/system",
)
QUERIES = (
    "/videos?asked=",
    "/screens?profile=",
    "/trading?ticker=",
    "/trading?status=",
    "/trading/1/close?target=",
    "/trading/1/cancel?target=",
    "/feeds/unwatch?url=",
    "/login?next=",
    "/videos/",
    "/screens/1/",
    "/screens/profiles/",
)


@pytest.fixture(scope="module")
def hostile_url(postgres: EmbeddedPostgres) -> str:
    """A database of this module's own."""
    url = seeded_database(postgres, "seeded_hostile")
    upgrade(url)
    return url


@pytest.fixture
def page(hostile_url: str) -> Iterator[TestClient]:
    """An operator's browser."""
    with open_client(hostile_url) as client:
        yield client


def assert_inert(body: str, typed: str) -> None:
    """Nothing of what was typed became part of the page."""
    assert "<script>alert" not in body
    assert "<img src=x" not in body
    assert "<b>" not in body
    assert str(7919 * 7907) not in body
    assert typed == "" or "\0" not in body


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_fields_are_kept_as_text_or_refused(page: TestClient, hostile_url: str, name: str) -> None:
    typed = HOSTILE[name]
    form = page.get("/videos")
    secret = {field: hidden(form, field) for field in ("csrf_token", "key")}
    for path, fields in FORMS.items():
        for field in fields:
            answer = page.post(
                path, data=secret | dict.fromkeys(fields, "x") | {field: typed}, follow_redirects=False
            )
            assert answer.status_code < 500, (path, field, answer.text[:300])
            assert_inert(answer.text, typed)
            location = answer.headers.get("location", "/")
            assert location.startswith("/"), (path, field, location)
            assert not location.startswith("//"), (path, field, location)
    bad_key = page.post(
        "/videos", data=secret | {"key": typed, "url": "https://youtu.be/x"}, follow_redirects=False
    )
    assert bad_key.status_code == 303
    for address in QUERIES:
        answer = page.get(address + _quoted(typed), follow_redirects=False)
        assert answer.status_code < 500, (address, answer.text[:300])
        assert_inert(answer.text, "")
    engine = database_engine(hostile_url)
    with engine.connect() as connection:
        tables = set(connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")))
    engine.dispose()
    assert set(Base.metadata.tables) <= tables


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_json_is_kept_as_text_or_refused(page: TestClient, name: str) -> None:
    typed = HOSTILE[name]
    headers = api_headers(page) | {"Content-Type": "application/json"}
    bodies: list[tuple[str, object]] = [
        ("requests", {"kind": typed, "payload": {}}),
        ("requests", {"kind": "study_video", "payload": {"url": typed}}),
        ("requests", {"kind": "study_video", "payload": {"url": f"https://youtu.be/{typed}"}}),
        ("requests", {"kind": "save_profile", "payload": {"document": typed}}),
        ("requests", {"kind": "lay_overlay", "payload": {"spec": "golden_cross", "choices": [typed]}}),
        ("requests", {"kind": "run_screen", "payload": {"profile": "a"}, "key": typed}),
        ("accounts/1/commands", {"command": "close", "target": typed}),
        ("accounts/1/commands", {"command": "cancel", "target": typed}),
        ("accounts/1/commands", {"command": "flatten", "confirm": typed}),
        ("strategies/1/decisions", {"choice": typed}),
        ("profiles", {"document": typed}),
        ("profiles/momentum_pullback/runs", {"session": typed}),
        ("session", {"name": typed, "password": typed}),
    ]
    for path, body in bodies:
        written = _json(body)
        answer = page.post(f"/api/v1/{path}", content=written, headers=headers)
        assert answer.status_code < 500, (path, body, answer.text[:300])
        assert answer.headers["content-type"] == "application/json"
    for broken in (b"", b"{", b"[]", b"null", b'"x"', b"{" * 5000, b"\xff\xfe", b'{"kind": NaN}'):
        answer = page.post("/api/v1/requests", content=broken, headers=headers)
        assert answer.status_code in (400, 422), (broken[:20], answer.status_code)


@pytest.mark.parametrize("name", ["markup", "template", "sql", "direction", "long"])
def test_hostile_content_of_the_database_is_shown_as_text(database_url: str, name: str) -> None:
    seed(database_url, hostile=HOSTILE[name])
    with open_client(database_url) as client:
        for path in PAGES:
            answer = client.get(path)
            assert answer.status_code in (200, 404), (path, answer.text[:300])
            assert_inert(answer.text, "")


def test_a_profile_with_hostile_words_is_stored_and_shown_as_text(page: TestClient) -> None:
    profile = yaml.safe_load(PROFILE) | {"title": MARKUP, "theme": "{{ 7 * 7 }} \u202e"}
    form = page.get("/screens/profiles/new")
    secret = {field: hidden(form, field) for field in ("csrf_token", "key")}
    answer = page.post("/screens/profiles/new", data=secret | {"document": yaml.safe_dump(profile)})
    assert answer.status_code == 200
    assert_inert(answer.text, MARKUP)


def _quoted(typed: str) -> str:
    return quote(typed.encode("utf-8", "surrogatepass"))


def _json(body: object) -> bytes:
    """JSON in which the escape of a lone surrogate stays one."""
    return json.dumps(body).replace("\\\\ud800", "\\ud800").encode()
