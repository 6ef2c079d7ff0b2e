"""Every text column of the database holds something hostile: each page and each answer of the API keeps it as text."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import CheckConstraint, Column, Connection, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.db.models import Base
from tests.dashboard.clients import open_client
from tests.dashboard.seed import seed
from tests.dashboard.test_links import crawl
from tests.dashboard.test_pages import Markup

STRINGS = {
    "markup": "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;b&gt;",
    "direction": "\u202egnp.exe\u2066\u200b\ufeff",
    "template": "{{ 7 * 7 }}{% include '/etc/passwd' %}${7*7}",
}
LONG = "A" * 10_240
WORDS_OF_THE_PROGRAM = {
    "orders": {"side", "type", "role", "status"},
    "postings": {"ledger", "kind"},
    "check_results": {"partition", "severity"},
    "pipeline_runs": {"status"},
    "manifest": {"kind", "basis", "frequency"},
    "feeds": {"basis", "state"},
    "live_bars": {"basis"},
    "heartbeats": {"state"},
    "account_halts": {"kind"},
    "backtests": {"spec_hash"},
    "strategy_specs": {"spec_hash"},
    "screen_profiles": {"name"},
    "screen_proposals": {"profile"},
    "screen_records": {"profile"},
    "requests": {"key", "outcome"},
    "operator_commands": {"request_key"},
    "decisions": {"choice", "request_key"},
    "alembic_version": {"version_num"},
}
"""Columns whose words decide what is shown where; everything else is written by people, sources or models."""
TELLING = {
    "accounts.name", "transcripts.title", "transcripts.channel", "strategy_specs.name", "verdicts.reason",
    "verdicts.verdict", "orders.reason", "orders.ticker", "orders.id", "skipped_trades.reason", "skipped_trades.rule",
    "account_halts.reason", "operator_commands.requested_by", "operator_commands.result",
    "requests.requested_by", "videos.detail", "videos.state", "watched_feeds.url", "watched_feeds.problem",
    "transcript_files.name", "transcript_files.detail", "screen_runs.profile", "screen_runs.judged_by",
    "screen_runs.data_version", "screen_picks.ticker",
    "screen_profiles.title", "screen_profiles.document", "screen_profiles.note", "screen_profiles.saved_by",
    "heartbeats.detail", "heartbeats.service", "heartbeats.node", "heartbeats.version",
    "feeds.name", "feeds.detail", "pipeline_runs.job", "pipeline_runs.partition", "pipeline_runs.problem",
    "check_results.description", "check_results.name", "check_results.asset", "quarantine_counts.rule",
    "quarantine_counts.example", "corporate_actions.ticker", "corporate_actions.kind", "disk_usage.area",
    "disk_usage.node", "manifest.source", "notifications.title", "notifications.body", "notifications.kind",
    "llm_calls.purpose", "decisions.decided_by", "promotions.reason", "strategy_variants.field", "strategy_variants.why",
}  # fmt: skip
"""Columns that pages certainly show."""


def text_columns() -> Iterator[Column[Any]]:
    """Those that hold free text."""
    for table in Base.metadata.sorted_tables:
        checked = " ".join(str(c.sqltext) for c in table.constraints if isinstance(c, CheckConstraint))
        for column in table.columns:
            known = WORDS_OF_THE_PROGRAM.get(table.name, set())
            is_text = isinstance(column.type, String | Text) and column.name not in known
            if is_text and not re.search(rf"\b{column.name}\b", checked):
                yield column


def poison(url: str, hostile: str, *, named: bool = False) -> None:
    """Append `hostile` to every text column, and to every text in a JSON column; with its column's name where `named`.

    A key and what refers to it change alike.
    """
    engine = database_engine(url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for column in text_columns():
            written = hostile
            if named and not column.primary_key and not column.foreign_keys:
                written += f"[{column.table.name}.{column.name}]"
            elif named:
                root = next(iter(column.foreign_keys)).column if column.foreign_keys else column
                written += f"[{root.table.name}.{root.name}]"
            connection.execute(
                text(f'UPDATE "{column.table.name}" SET "{column.name}" = "{column.name}" || :written'),
                {"written": written},
            )
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, JSONB):
                    _poison_documents(connection, column, hostile)
    engine.dispose()


def _poison_documents(connection: Connection, column: Column[Any], hostile: str) -> None:
    table, name = column.table.name, column.name
    for place, document in connection.execute(text(f'SELECT ctid::text, "{name}" FROM "{table}"')).all():
        connection.execute(
            text(
                f'UPDATE "{table}" SET "{name}" = cast(:document AS jsonb) WHERE ctid = cast(:place AS tid)'
            ),
            {"document": json.dumps(_poisoned(document, hostile)), "place": place},
        )


def _poisoned(value: Any, hostile: str) -> Any:
    if isinstance(value, dict):
        return {key: _poisoned(item, hostile) for key, item in value.items()}
    if isinstance(value, list):
        return [_poisoned(item, hostile) for item in value]
    is_words = isinstance(value, str) and not re.fullmatch(r"[\d.:+TZ-]+|stop|trail|target|[a-z_]+", value)
    return value + hostile if is_words else value


def assert_inert(body: str, address: str) -> None:
    """What is in the database became no part of the page."""
    markup = Markup(body)
    assert markup.tags.isdisjoint({"inline script", "style", "iframe", "object", "b"}), address
    assert not {name for name in markup.attributes if name.startswith("on") or name == "style"}, address
    assert "<script>alert" not in body, address
    assert "<img src=x" not in body, address


@pytest.mark.parametrize("name", list(STRINGS))
def test_whatever_any_column_holds_is_text_on_every_page(database_url: str, name: str) -> None:
    seed(database_url, readings=True)
    poison(database_url, STRINGS[name], named=True)
    with open_client(database_url) as client:
        found = crawl(client)
        assert_the_api_answers(client)
    # No ticker is longer than 40 characters; a candidate's page says so of one that is.
    broken = {
        address: status
        for address, (status, _) in found.items()
        if status != 200
        and not (status == 400 and re.match(r"/screens/\d+/", address))
        and not (status == 404 and "transcript_files" in address)  # names a video that is not there
    }
    assert broken == {}
    shown: set[str] = set()
    for address, (_, body) in found.items():
        if body.startswith("<!doctype"):
            assert_inert(body, address)
            told = re.findall(r"\[([a-z_ ]+\.[a-z_ ]+)\]", unescape(body))
            shown |= {column.replace(" ", "_") for column in told}
    assert shown >= TELLING, sorted(TELLING - shown)


def test_text_of_any_length_is_shown(database_url: str) -> None:
    seed(database_url, readings=True)
    poison(database_url, LONG.replace("AAAA", "<b> A"))
    with open_client(database_url) as client:
        for path in (
            "/", "/screens", "/screens/1", "/screens/profiles/momentum_pullback", "/strategies", "/strategies/1",
            "/strategies/1/approve", "/strategies/1/overlay", "/videos", "/trading", "/trading/1/flatten", "/data",
            "/system",
        ):  # fmt: skip
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text[:300])
            assert_inert(answer.text, path)
        assert_the_api_answers(client)


def assert_the_api_answers(client: TestClient) -> None:
    """Each document is JSON that no browser takes for a page."""
    document = client.get("/api/openapi.json").json()
    values = {
        "account_id": "1",
        "spec_id": "1",
        "backtest_id": "1",
        "run_id": "1",
        "request_id": "1",
        "proposal_id": "1",
        "name": "momentum_pullback",
        "version": "1",
    }
    asked = 0
    for path, operations in document["paths"].items():
        needed = set(re.findall(r"\{(\w+)\}", path))
        if "get" not in operations or not needed <= set(values):
            continue
        address = re.sub(r"\{(\w+)\}", lambda found: quote(values[found.group(1)]), path)
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.text[:300])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["content-type"] in ("application/json", "application/yaml"), address
        asked += 1
    assert asked >= 35
