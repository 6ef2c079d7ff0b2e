"""The feed over Massive's websocket: every bar once, through disconnects, nonsense, silence and outages."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from falcon_pipelines.bars.massive_rest import MassiveRest
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import FeedSymbol, Heartbeat
from falcon_pipelines.services.backoff import Backoff
from falcon_pipelines.trading.feed.arrivals import Arrivals
from falcon_pipelines.trading.feed.backfill import MassiveBackFill
from falcon_pipelines.trading.feed.loop import Rules
from falcon_pipelines.trading.feed.massive_stream import MassiveStream
from tests.services.outage import outage
from tests.services.waiting import until
from tests.trading.feed.running import (
    OPEN,
    MarketClock,
    Running,
    bar,
    minutes,
    notifications,
    rows,
    running_feed,
)
from tests.trading.feed.servers import KEY, MassiveSocket, Rest, aggregate, closing, massive_answer


@dataclass
class Market:
    """The servers, the clock, and the database."""

    socket: MassiveSocket
    rest: Rest
    clock: MarketClock
    engine: Engine
    root: Path
    tickers: list[str]
    key: str = KEY
    room: int = 10_000

    @contextmanager
    def feed(self, rules: Rules | None = None) -> Iterator[Running]:
        arrivals = Arrivals(self.room, self.clock)
        source = MassiveStream(
            self.key, arrivals, socket=self.socket.url, backoff=Backoff(first=0.05, most=0.1)
        )
        backfill = MassiveBackFill(MassiveRest(KEY, self.rest.url))
        with running_feed(
            self.engine, self.root, arrivals, source, backfill, lambda: self.tickers, rules
        ) as running:
            yield running

    def connected(self) -> None:
        until(lambda: self.socket.subscribed == {f"AM.{ticker}" for ticker in self.tickers})


@pytest.fixture
def market(database_url: str, tmp_path: Path) -> Iterator[Market]:
    with closing(MassiveSocket()) as socket, closing(Rest(massive_answer)) as rest:
        yield Market(
            socket, rest, MarketClock(OPEN + 30), database_engine(database_url), tmp_path / "store", ["AAPL"]
        )


def test_bars_are_written_as_they_come_and_corrections_get_a_revision(market: Market) -> None:
    with market.feed():
        market.connected()
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 0)])
        until(lambda: minutes(market.engine, "AAPL") == [0])
        market.socket.bars([bar("AAPL", 0)])
        market.socket.bars([bar("AAPL", 0, 101.25)])
        market.socket.bars([bar("AAPL", 0)])
        until(lambda: len(rows(market.engine)) == 2)
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 1, volume=12.5)])
        until(lambda: len(rows(market.engine)) == 3)
    written = rows(market.engine)
    assert [(row[1], row[2]) for row in written] == [(0, 0), (0, 1), (1, 0)]
    assert [float(row[3]) for row in written] == [100.0, 101.25, 100.0]
    assert float(written[2][7]) == 12.5


def test_what_was_missed_while_disconnected_is_asked_for_and_marked_late(market: Market) -> None:
    with market.feed() as running:
        market.connected()
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 0)])
        until(lambda: minutes(market.engine, "AAPL") == [0])
        market.socket.accepting = False
        market.socket.drop()
        until(lambda: running.service.state == "degraded")
        market.rest.history["AAPL"] = [bar("AAPL", minute, 100 + minute) for minute in range(5)]
        market.clock.forward(240)
        market.socket.accepting = True
        market.connected()
        market.clock.forward(20)
        until(lambda: len(rows(market.engine)) >= 5)
        market.clock.forward(40)
        market.socket.bars([bar("AAPL", 5)])
        until(lambda: 5 in minutes(market.engine, "AAPL"))
        until(lambda: running.service.state == "ok")
    assert minutes(market.engine, "AAPL") == [0, 1, 2, 3, 4, 5]
    assert [row[8] for row in rows(market.engine)] == [False, True, True, True, True, False]
    with transaction(market.engine) as session:
        cursor = session.scalars(select(FeedSymbol.cursor)).one()
    assert cursor is not None
    assert int(cursor.timestamp()) == OPEN + 5 * 60


def test_a_restart_asks_for_what_came_since_the_cursor(market: Market) -> None:
    with market.feed():
        market.connected()
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 0)])
        until(lambda: minutes(market.engine, "AAPL") == [0])
    market.rest.history["AAPL"] = [bar("AAPL", minute) for minute in range(9)]
    market.rest.asked.clear()
    market.clock.forward(420)
    with market.feed():
        market.connected()
        market.clock.forward(15)
        until(lambda: len(rows(market.engine)) == 8)
    assert minutes(market.engine, "AAPL") == list(range(8))
    assert min(start for _, start, _ in market.rest.asked) == OPEN + 60


def test_a_back_fill_that_fails_is_tried_again(market: Market) -> None:
    market.rest.history["AAPL"] = [bar("AAPL", minute) for minute in range(3)]
    market.rest.failures = 2
    market.clock.forward(185)
    with market.feed() as running:
        market.connected()
        market.clock.forward(10)
        until(lambda: minutes(market.engine, "AAPL") == [0, 1, 2])
        until(lambda: running.service.state == "ok")
        until(lambda: (row := running.feed()) is not None and row.counts.get("back-fill failed") == 2)


def test_nonsense_is_counted_and_changes_nothing(market: Market) -> None:
    good = bar("AAPL", 0)
    with market.feed() as running:
        market.connected()
        market.clock.forward(60)
        bad = [
            good._replace(high=good.low / 2),
            good._replace(open=-1.0),
            good._replace(volume=-5.0),
            good._replace(close=float("nan")),
            good._replace(time=good.time - 86_400),
            good._replace(time=OPEN - 60),
            good._replace(time=good.time + 86_400),
            good._replace(ticker="TAB\tLE"),
        ]
        for frame in (
            "not json",
            "[1, 2]",
            "{}",
            json.dumps([{"ev": "AM", "sym": "AAPL"}]),
            json.dumps([{"ev": "status", "status": "slow_consumer", "message": "hurry"}]),
            json.dumps([aggregate(bar_) for bar_ in bad]),
        ):
            market.socket.send(frame)
        market.socket.bars([good])
        until(lambda: minutes(market.engine, "AAPL") == [0])
        assert market.socket.connections == 1
        until(lambda: (row := running.feed()) is not None and row.counts.get("written") == 1)
        row = running.feed()
    assert row is not None
    counts = row.counts
    assert counts["unreadable"] == 5
    assert counts["complaint"] == 1
    assert sum(count for name, count in counts.items() if name.startswith("refused")) == len(bad)
    assert counts["refused: outside the session"] == 1
    assert counts["refused: wrong day"] == 1
    assert counts["refused: in the future"] == 1


def test_silence_during_the_session_is_shown_and_the_connection_made_again(market: Market) -> None:
    with market.feed(Rules(stale_seconds=120)) as running:
        market.connected()
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 0)])
        until(lambda: minutes(market.engine, "AAPL") == [0])
        assert market.socket.connections == 1
        market.clock.forward(200)
        until(lambda: running.service.state == "degraded")
        until(lambda: market.socket.connections == 2)
        until(lambda: (row := running.feed()) is not None and row.state == "stale")
        with transaction(market.engine) as session:
            until(lambda: "no bars since" in (session.scalars(select(Heartbeat.detail)).first() or ""))
    with market.feed(Rules(stale_seconds=120)) as running:
        until(lambda: market.socket.connections == 3)
        market.connected()
        market.clock.forward(200)
        until(lambda: running.service.state == "degraded")
        until(lambda: market.socket.connections == 4)
        market.connected()
        market.socket.bars([bar("AAPL", 6)])
        until(lambda: running.service.state == "ok")
    assert notifications(market.engine) == []
    # people are told by whoever watches the table, see trading.watch


def test_silence_after_the_close_is_no_news(market: Market) -> None:
    market.clock.forward(8 * 3600)
    with market.feed(Rules(stale_seconds=1)) as running:
        market.connected()
        until(lambda: (row := running.feed()) is not None and row.state == "quiet")
        assert running.service.state == "ok"
    assert notifications(market.engine) == []


def test_symbols_come_and_go_while_it_runs(market: Market) -> None:
    with market.feed():
        market.connected()
        market.tickers[:] = ["MSFT", "TRUE"]
        until(lambda: market.socket.subscribed == {"AM.MSFT", "AM.TRUE"})
        market.clock.forward(60)
        market.socket.bars([bar("MSFT", 0), bar("TRUE", 0)])
        until(lambda: len(rows(market.engine)) == 2)
    assert market.socket.connections == 1
    with transaction(market.engine) as session:
        watched = dict(session.execute(select(FeedSymbol.ticker, FeedSymbol.reasons)).all())
    assert watched["AAPL"] == []
    assert watched["MSFT"] == ["watchlist"]


def test_a_refused_key_is_said_and_not_hammered(market: Market) -> None:
    market.key = "wrong"
    with market.feed() as running:
        until(lambda: "FALCON_MASSIVE_API_KEY" in (running.service.detail or ""))
        assert running.service.state == "degraded"
        assert market.socket.connections == 1


def test_bars_of_a_database_outage_are_written_after_it(market: Market) -> None:
    with market.feed() as running:
        market.connected()
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 0)])
        until(lambda: minutes(market.engine, "AAPL") == [0])
        with outage(market.engine.url.render_as_string(hide_password=False)):
            for minute in range(1, 4):
                market.clock.forward(60)
                market.socket.bars([bar("AAPL", minute)])
            until(lambda: running.service.state == "degraded")
        until(lambda: minutes(market.engine, "AAPL") == [0, 1, 2, 3])
        until(lambda: running.service.state == "ok")
    assert not any(row[8] for row in rows(market.engine))


def test_bars_beyond_the_buffer_are_asked_for_again(market: Market) -> None:
    market.room = 2
    with market.feed() as running:
        market.connected()
        market.clock.forward(60)
        market.socket.bars([bar("AAPL", 0)])
        until(lambda: minutes(market.engine, "AAPL") == [0])
        with outage(market.engine.url.render_as_string(hide_password=False)):
            for minute in range(1, 9):
                market.clock.forward(60)
                market.socket.bars([bar("AAPL", minute)])
            until(lambda: running.service.state == "degraded")
            until(lambda: running.arrivals.received == 9)
        market.rest.history["AAPL"] = [bar("AAPL", minute) for minute in range(9)]

        def healed() -> bool:
            market.clock.forward(5)
            return sorted(minutes(market.engine, "AAPL")) == list(range(9))

        until(healed)
    assert any(row[8] for row in rows(market.engine))


def test_a_burst_of_a_whole_market_minute_arrives_whole(market: Market) -> None:
    market.tickers[:] = [f"T{number:04}" for number in range(5_000)]
    with market.feed() as running:
        until(lambda: len(market.socket.subscribed) == 5_000)
        market.clock.forward(60)
        market.socket.bars([bar(ticker, 0) for ticker in market.tickers])
        until(lambda: (row := running.feed()) is not None and row.counts.get("written") == 5_000)
