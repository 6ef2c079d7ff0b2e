"""How often each page asks PostgreSQL: a page that asks once a row is slow on a network, and on a full database."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from falcon_pipelines.dashboard.queries import benchmark
from falcon_pipelines.db.engine import database_engine
from tests.dashboard.clients import closed_client, log_in, make_user, send
from tests.dashboard.seed import seed

MOST = 12
PAGES = (
    "/",
    "/?account=1",
    "/screens",
    "/screens?profile=momentum_pullback",
    "/screens/1",
    "/screens/1/NVDA",
    "/screens/profiles/new",
    "/screens/profiles/momentum_pullback",
    "/screens/profiles/momentum_pullback/edit",
    "/screens/profiles/momentum_pullback/run",
    "/strategies",
    "/strategies/1",
    "/strategies/1/approve",
    "/strategies/1/overlay",
    "/videos",
    "/videos/demo0000001",
    "/trading",
    "/trading?account=1&ticker=AAPL",
    "/trading?account=1&ticker=AAPL&status=open",
    "/trading/1/flatten",
    "/data",
    "/data?ticker=AAPL",
    "/system",
)


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """Every statement that this process sends."""
    statements: list[str] = []

    def note(*execution: Any) -> None:
        statements.append(execution[2])

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


def test_no_page_asks_more_than_twelve_times_whatever_it_must_look_up_anew(
    database_url: str, sent: list[str]
) -> None:
    seed(database_url, readings=True)
    make_user(database_url, "ann", "operator")
    with closed_client(database_url) as client:
        log_in(client, "ann")
        asked = [
            send(client, "/trading/1/pause").headers["location"],
            send(client, "/strategies/1/retire").headers["location"],
            send(client, "/videos", url="https://youtu.be/dQw4w9WgXcQ").headers["location"],
        ]
        assert all("asked=" in address for address in asked)
        counts = {}
        for address in (*PAGES, *asked):
            client.app.state.doorkeeper.directory.forget("ann")  # type: ignore[attr-defined]
            benchmark._read.clear()
            sent.clear()
            assert client.get(address).status_code == 200, address
            counts[address] = len(sent)
    assert {address: count for address, count in counts.items() if count > MOST} == {}
    assert min(counts.values()) >= 2  # the user, and what the page shows


@pytest.mark.parametrize("page", ["/trading", "/screens", "/strategies", "/system", "/videos"])
def test_a_page_asks_no_more_often_when_there_is_more_to_show(
    database_url: str, sent: list[str], page: str
) -> None:
    seed(database_url, readings=True)
    make_user(database_url, "ann", "operator")

    def count() -> int:
        client.get(page)
        client.app.state.doorkeeper.directory.forget("ann")  # type: ignore[attr-defined]
        sent.clear()
        assert client.get(page).status_code == 200
        return len(sent)

    with closed_client(database_url) as client:
        log_in(client, "ann")
        before = count()
        engine = database_engine(database_url)
        with engine.begin() as connection:
            for statement in MORE:
                connection.execute(text(statement))
        engine.dispose()
        assert count() <= before


MORE = (
    """INSERT INTO fills (id, order_id, account_id, quantity, price, fee, filled_at, flags)
       SELECT 'more' || n, (SELECT min(id) FROM orders WHERE account_id = 1), 1, 1, 100, 0,
              now() + n * interval '1 minute', '[]' FROM generate_series(1, 20) AS n""",
    """INSERT INTO strategy_specs (name, spec_hash, document)
       SELECT 'more_' || n, md5('more' || n), '{"name": "more"}' FROM generate_series(1, 20) AS n""",
    """INSERT INTO heartbeats (service, node, version, state, started_at, beat_at)
       SELECT 'more_' || n, 'node', '0.1.0', 'ok', now(), now() FROM generate_series(1, 20) AS n""",
    """INSERT INTO screen_runs (profile, session, slot, attempt, state, notes, data_version, seed, considered,
                                universe, judged_by, forward, watched)
       SELECT 'more_' || n, date '2026-11-20', 'evening', 1, 'done', '{}', 'v1', 0, 10, 4, 'factors', false, '[]'
       FROM generate_series(1, 20) AS n""",
    """INSERT INTO transcripts (id, title, url, origin, words, original)
       SELECT 'more' || n, 'More', 'https://youtu.be/more', 'youtube', '[["more", 0]]', ''
       FROM generate_series(1, 20) AS n""",
)
