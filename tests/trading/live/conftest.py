"""A trading desk on a database and a bar store of this test's own."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.trading.brokers import PaperLedger
from falcon_pipelines.trading.live.candidate_desk import CandidateDesk
from falcon_pipelines.trading.live.desk import TradingDesk
from falcon_pipelines.trading.live.facts import FactBook, Reference
from falcon_pipelines.trading.live.metrics import Metrics
from falcon_pipelines.trading.live.routing import load_routing


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = database_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "market_data")


MakeDesk = Callable[..., TradingDesk]


def trading_desk(
    engine: Engine,
    store: BarStore,
    reference: dict[str, Reference] | None = None,
    cash: int = 10_000,
    routing: Path | None = None,
) -> TradingDesk:
    """A desk on the paper ledger that has not looked at anything yet."""
    book = FactBook(store, reference or {})
    return TradingDesk(
        engine=engine,
        store=store,
        candidates=CandidateDesk(load_routing(routing), book),
        make_broker=lambda account: PaperLedger(engine, account.id, book.sectors),
        cash=Decimal(cash),
        broker="paper",
        metrics=Metrics(CollectorRegistry()),
    )


@pytest.fixture
def make_desk(engine: Engine, store: BarStore) -> MakeDesk:
    """A fresh desk, as after a start of the service."""

    def make(now: datetime, *arguments: Any, **more: Any) -> TradingDesk:
        desk = trading_desk(engine, store, *arguments, **more)
        desk.refresh(now)
        return desk

    return make
