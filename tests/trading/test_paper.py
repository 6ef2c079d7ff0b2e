"""A strategy traded into the database: the replay's fills, once, however often and wherever it is interrupted."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.strategies.spec import Spec, validate_spec
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.orders import Split
from falcon_pipelines.trading.paper import paper_trade
from falcon_pipelines.trading.reconciliation import broken_books
from falcon_pipelines.trading.replay import replay_spec
from falcon_pipelines.trading.risk import Limits
from tests.trading.test_strategy_trader import BASE, random_walk

SPEC = {
    **BASE,
    "exit": {"stop": {"percent": 3}, "trailing": {"percent": 5}, "time_stop": {"bars": 6}},
    "execution": {
        "max_positions": 2,
        "rank_by": {"pct_change": ["close", 3]},
        "fee_bps": 2,
        "slippage_bps": 3,
    },
    "sizing": {"percent_of_equity": 40},
}


UNCAPPED = Rules(limits=Limits(volume_share=None, max_positions=2))


@pytest.fixture
def spec() -> Spec:
    return validate_spec(SPEC).with_params()


def stored_fills(url: str) -> list[tuple[str, Decimal, Decimal]]:
    engine = database_engine(url)
    with transaction(engine) as session:
        query = select(models.Fill.order_id, models.Fill.quantity, models.Fill.price)
        rows = session.execute(query.order_by(models.Fill.filled_at, models.Fill.order_id)).all()
        assert broken_books(session) == {}
    engine.dispose()
    return [(row[0].split(":", 1)[1], row[1], row[2]) for row in rows]


def expected_fills(spec: Spec, bars: Panel) -> list[tuple[str, Decimal, Decimal]]:
    result = replay_spec(spec, bars, Decimal(100_000))
    ordered = sorted(result.fills, key=lambda fill: (fill.time, fill.order))
    return [(fill.order.split(":", 1)[1], Decimal(fill.quantity), fill.price) for fill in ordered]


def test_paper_trades_are_the_replays_and_a_second_run_adds_only_new_sessions(
    database_url: str, spec: Spec
) -> None:
    bars = random_walk(11, bars=50)
    engine = database_engine(database_url)
    first = paper_trade(engine, spec, bars.rows(0, 30), account="a", sessions=30)
    again = paper_trade(engine, spec, bars.rows(0, 30), account="a", sessions=30)
    assert (first.sessions, again.sessions) == (30, 0)
    assert (again.fills, again.equity) == (first.fills, first.equity)
    whole = paper_trade(engine, spec, bars, account="a", sessions=30)
    assert whole.sessions == 20
    assert stored_fills(database_url) == expected_fills(spec, bars)
    with transaction(engine) as session:
        marks = session.scalars(select(models.AccountMark).order_by(models.AccountMark.session)).all()
        assert len(marks) == 50
        assert marks[-1].equity == whole.equity
        assert all(row.benchmark is not None for row in marks)


def test_only_the_last_sessions_are_traded(database_url: str, spec: Spec) -> None:
    engine = database_engine(database_url)
    run = paper_trade(engine, spec, random_walk(11, bars=50), account="a", sessions=20)
    assert run.sessions == 20
    with transaction(engine) as session:
        assert len(session.scalars(select(models.AccountMark)).all()) == 20


def test_a_split_within_the_window_is_lived_through_on_bars_as_they_were_traded(
    database_url: str, spec: Spec
) -> None:
    adjusted = random_walk(13, bars=40)
    ex = 25
    factor = np.where(np.arange(40) < ex, 4.0, 1.0)[:, None]
    fields = {
        name: values / factor if name == "volume" else values * factor
        for name, values in adjusted.fields.items()
    }
    raw = replace(adjusted, fields=fields)
    adjusted = replace(adjusted, adjust="splits", as_of=date(2021, 1, 1))
    at = adjusted.timestamps[ex].astype("datetime64[us]").item().replace(tzinfo=UTC)
    actions = [Split(at, ticker, Fraction(4)) for ticker in adjusted.tickers]
    engine = database_engine(database_url)
    run = paper_trade(
        engine, spec, adjusted, account="a", sessions=40, raw=raw, actions=actions, rules=UNCAPPED
    )
    assert run.fills > 10
    plain = paper_trade(
        engine, spec, replace(adjusted, adjust="none"), account="b", sessions=40, rules=UNCAPPED
    )
    assert float(run.equity) == pytest.approx(float(plain.equity), rel=2e-3)
    with transaction(engine) as session:
        assert broken_books(session) == {}


def test_killed_again_and_again_it_ends_with_the_same_fills(database_url: str, spec: Spec) -> None:
    bars = random_walk(12, bars=60)
    context = multiprocessing.get_context("fork")
    for _ in range(4):
        worker = context.Process(target=_run, args=(database_url, spec, bars))
        worker.start()
        time.sleep(0.15)
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join(30)
    _run(database_url, spec, bars)
    found = stored_fills(database_url)
    assert len(found) > 20
    assert found == expected_fills(spec, bars)


def _run(url: str, spec: Spec, bars: Panel) -> Any:
    return paper_trade(database_engine(url), spec, bars, account="a", sessions=60)
