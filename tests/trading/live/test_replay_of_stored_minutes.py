"""Stored minutes through `falcon feed` and `falcon trader`, the processes of `falcon up`: the dashboard's numbers move."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.reconciliation import broken_books
from tests.bars.market import line, write_lines
from tests.dashboard.clients import open_client
from tests.services.waiting import until
from tests.trading.feed.stored import flat_files, store_of
from tests.trading.live.bars import minute
from tests.trading.live.books import fills
from tests.trading.live.processes import Feed, Trader
from tests.trading.live.test_strategies import FRIDAY, STORED, THURSDAY, promote, spec

CASH = 100_000


@pytest.fixture
def home(tmp_path: Path, engine: Engine) -> Path:
    """A home whose store has days up to Friday and minutes of Thursday and Friday, of a strategy's X and a pick's C."""

    def at(ticker: str, number: int, session: date, price: float) -> MinuteBar:
        start = int(minute(number, session).timestamp())
        return MinuteBar(ticker, start, price, price, price, price, 1e6)

    bars = [
        at(ticker, number, session, price)
        for ticker, session, prices in (
            ("X", THURSDAY, {0: 100.0, 1: 100.0, 388: 103.0, 389: 103.0}),
            ("X", FRIDAY, {0: 104.0, 1: 106.0, 389: 110.0}),
            ("C", THURSDAY, {0: 4.0, 1: 4.0, 389: 4.1}),
            ("C", FRIDAY, {0: 4.1, 389: 4.2}),
        )
        for number, price in prices.items()
    ]
    store = store_of(tmp_path / "market_data", engine, tmp_path / "flat", bars)
    days = dict.fromkeys(STORED, 100) | {THURSDAY: 103, FRIDAY: 110}
    for day, close in days.items():
        write_lines(
            tmp_path / "flat",
            day,
            [line("C", day, 4, 4, 4, 4, 1e6), line("X", day, 100, close, close, 100, 1e6)],
        )
    list(ingest_range(flat_files(tmp_path / "flat", [])[0], store, "day", STORED[0], FRIDAY))
    (tmp_path / "reference.csv").write_text("ticker,etf\nC,false\n")
    return tmp_path


def pick(engine: Engine) -> None:
    """C, by a screen of Wednesday's close that was made just now."""
    with transaction(engine) as session:
        run = models.ScreenRun(
            profile="momentum", session=STORED[-1], data_version="v1", universe=2, judged_by="factor score"
        )
        session.add(run)
        session.flush()
        levels = {"entry_low": "3.9", "entry_high": "4.1", "stop": "3.6", "target": "5", "close": "4"}
        prices = {name: Decimal(value) for name, value in levels.items()}
        session.add(models.ScreenPick(run_id=run.id, rank=1, ticker="C", score=1.0, factors={}, **prices))


def shown(client: TestClient) -> dict[str, float]:
    """The newest equity that the dashboard shows of each account."""
    found = {}
    for account in client.get("/api/v1/accounts").json():
        points = client.get(f"/api/v1/accounts/{account['id']}/equity").json()["points"]
        found[account["name"].split()[0]] = float(points[-1]["equity"]) if points else CASH
    return found


def test_a_strategy_and_a_candidate_trade_past_minutes_and_the_dashboard_shows_it(
    engine: Engine, database_url: str, home: Path
) -> None:
    promote(engine, spec())
    pick(engine)
    settings = {
        "FALCON_REFERENCE_CSV": str(home / "reference.csv"),
        "FALCON_PAPER_CASH_USD": str(CASH),
    }
    with open_client(database_url) as dashboard, Trader(database_url, home, **settings) as trader:
        until(trader.is_up, 60)
        until(lambda: len(shown(dashboard)) == 2)
        before = shown(dashboard)
        with Feed(database_url, home) as feed:
            until(lambda: shown(dashboard).get("breakout", 0) == CASH + 60, 60)
            assert feed.stop() == 0
        after = shown(dashboard)
    assert set(before.values()) == {CASH}
    assert after["candidates"] > CASH
    with transaction(engine) as session:
        bought = session.execute(
            select(models.Order.ticker, models.Fill.filled_at)
            .join(models.Fill)
            .order_by(models.Fill.filled_at)
        ).all()
        assert broken_books(session) == {}
    assert [tuple(row) for row in bought] == [("C", minute(1, THURSDAY)), ("X", minute(0, FRIDAY))]
    assert [row[2] for row in fills(engine)][1] == 104.0
