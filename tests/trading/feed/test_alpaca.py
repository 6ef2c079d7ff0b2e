"""The feed over Alpaca's websocket: bars and updated bars, disconnects, refusals, and back-fill."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgpack
import pytest
from sqlalchemy import Engine, select

from falcon_pipelines.bars.watchlist import AlpacaFeed
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import LiveBar
from falcon_pipelines.trading.feed.alpaca_stream import AlpacaStream
from falcon_pipelines.trading.feed.arrivals import Arrivals
from falcon_pipelines.trading.feed.backfill import AlpacaBackFill
from tests.services.waiting import until
from tests.trading.feed.running import OPEN, MarketClock, Running, bar, minutes, rows, running_feed
from tests.trading.feed.servers import KEY, AlpacaSocket, Rest, alpaca_answer, alpaca_bar, closing


@dataclass
class Market:
    """The servers, the clock, and the database."""

    socket: AlpacaSocket
    rest: Rest
    clock: MarketClock
    engine: Engine
    root: Path
    tickers: list[str]
    key: str = KEY

    @contextmanager
    def feed(self) -> Iterator[Running]:
        arrivals = Arrivals(10_000, self.clock)
        source = AlpacaStream(self.key, KEY, arrivals, socket=self.socket.url, first_pause_seconds=0.05)
        backfill = AlpacaBackFill(AlpacaFeed(KEY, KEY, endpoint=self.rest.url))
        with running_feed(
            self.engine, self.root, arrivals, source, backfill, lambda: self.tickers
        ) as running:
            yield running

    def connected(self) -> None:
        until(lambda: self.socket.subscribed == set(self.tickers))


@pytest.fixture
def market(database_url: str, tmp_path: Path) -> Iterator[Market]:
    with closing(AlpacaSocket()) as socket, closing(Rest(alpaca_answer)) as rest:
        yield Market(
            socket,
            rest,
            MarketClock(OPEN + 30),
            database_engine(database_url),
            tmp_path / "store",
            ["AAPL", "SPY"],
        )


def test_updated_bars_are_revisions_of_another_basis_than_the_whole_market(market: Market) -> None:
    with market.feed():
        market.connected()
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 0), bar("SPY", 0, 400.0)])
        until(lambda: len(rows(market.engine)) == 2)
        market.socket.bars([bar("AAPL", 0, 100.75)], kind="u")
        until(lambda: len(rows(market.engine)) == 3)
    assert sorted((row[0], row[2], float(row[3])) for row in rows(market.engine)) == [
        ("AAPL", 0, 100.0),
        ("AAPL", 1, 100.75),
        ("SPY", 0, 400.0),
    ]
    with transaction(market.engine) as session:
        assert set(session.execute(select(LiveBar.source, LiveBar.basis))) == {("alpaca", "iex")}


def test_what_was_missed_while_disconnected_comes_in_order_of_time(market: Market) -> None:
    with market.feed() as running:
        market.connected()
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 0), bar("SPY", 0)])
        until(lambda: len(rows(market.engine)) == 2)
        market.socket.accepting = False
        market.socket.drop()
        until(lambda: running.service.state == "degraded")
        for ticker in market.tickers:
            market.rest.history[ticker] = [bar(ticker, minute) for minute in range(4)]
        market.clock.forward(120)
        market.socket.accepting = True
        market.connected()
        market.clock.forward(10)
        until(lambda: len(rows(market.engine)) >= 6)
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 3)])
        until(lambda: 3 in minutes(market.engine, "AAPL"))
        until(lambda: running.service.state == "ok")
    late = [(row[1], row[0]) for row in rows(market.engine) if row[8]]
    assert late == [(1, "AAPL"), (1, "SPY"), (2, "AAPL"), (2, "SPY")]


def test_nonsense_is_survived_on_the_same_connection(market: Market) -> None:
    without_price = alpaca_bar(bar("AAPL", 0))
    del without_price["o"]
    with market.feed() as running:
        market.connected()
        market.clock.forward(60)
        for frame in (b"\xc1", msgpack.packb(7), msgpack.packb([without_price]), msgpack.packb([{"T": "b"}])):
            market.socket.send(frame)
        market.socket.send(msgpack.packb([{"T": "error", "code": 405, "msg": "symbol limit exceeded"}]))
        market.socket.bars([bar("AAPL", 0)._replace(high=1.0), bar("AAPL", 0)])
        until(lambda: minutes(market.engine, "AAPL") == [0])
        until(lambda: (row := running.feed()) is not None and row.counts.get("complaint") == 1)
        row = running.feed()
    assert market.socket.connections == 1
    assert row is not None
    assert row.counts["refused: bad price"] == 1
    assert row.counts["unreadable"] >= 1


def test_symbols_come_and_go_while_it_runs(market: Market) -> None:
    with market.feed():
        market.connected()
        market.tickers[:] = ["SPY", "MSFT"]
        market.connected()
        market.clock.forward(60)
        market.socket.bars([bar("MSFT", 0)])
        until(lambda: minutes(market.engine, "MSFT") == [0])
    assert market.socket.connections == 1


def test_refused_keys_are_said(market: Market) -> None:
    market.key = "wrong"
    with market.feed() as running:
        until(lambda: "FALCON_ALPACA_KEY_ID" in (running.service.detail or ""))
        assert running.service.state == "degraded"
