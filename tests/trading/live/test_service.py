"""The service as a process: kill -9 at any step, clean stop, database outages, one writer, signs of life."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import DatabaseUnavailable, database_engine, transaction
from falcon_pipelines.trading.live.lock import SingleTrader
from falcon_pipelines.trading.reconciliation import broken_books
from tests.conftest import new_database
from tests.services.outage import outage
from tests.services.waiting import until
from tests.trading.live.bars import arrive, minute
from tests.trading.live.books import buy, fill_hash, fills, hand_in, told
from tests.trading.live.conftest import MakeDesk, trading_desk
from tests.trading.live.processes import Trader

MINUTES = 7


@pytest.fixture
def traders(database_url: str, tmp_path: Path) -> Iterator[Any]:
    started: list[Trader] = []

    def start(**environment: str) -> Trader:
        process = Trader(database_url, tmp_path, **environment)
        started.append(process)
        until(process.is_up, 60)
        return process

    yield start
    for process in started:
        process.kill()


def accounts(engine: Engine) -> int:
    with transaction(engine) as session:
        return session.scalar(select(func.count()).select_from(models.Account)) or 0


def test_reference_data_that_cannot_be_read_are_told_of_and_stop_no_exit(
    engine: Engine, traders: Any, tmp_path: Path
) -> None:
    path = tmp_path / "reference.csv"
    trader = traders(FALCON_REFERENCE_CSV=str(path))
    until(lambda: accounts(engine))
    until(lambda: "reference.csv: No such file" in trader.health())
    hand_in(engine, buy("in", minute(0), stop=95))
    arrive(engine, minute(0), {"X": (100,) * 4})
    arrive(engine, minute(1), {"X": (96, 96, 94, 95)})
    until(lambda: len(fills(engine)) == 2)
    path.write_text("ticker,sector\nX,Energy\n")
    until(lambda: "reference" not in trader.health(), 60)
    assert trader.stop() == 0


def test_it_trades_through_a_database_outage_says_how_it_is_and_stops_cleanly(
    engine: Engine, traders: Any, database_url: str, tmp_path: Path
) -> None:
    heard: list[str] = []
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    threading.Thread(
        target=lambda: [heard.append(manager.recv(4096).decode()) for _ in range(500)], daemon=True
    ).start()
    trader = traders(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000")
    until(lambda: accounts(engine))
    hand_in(engine, buy("in", minute(0), stop=95))
    arrive(engine, minute(0), {"X": (100,) * 4})
    until(lambda: fills(engine))
    assert 'falcon_trader_fills_total{account="candidates"} 1.0' in trader.get("/metrics")
    engine.dispose()
    with outage(database_url):
        until(lambda: "not available" in trader.get("/healthz"))
    arrive(engine, minute(1), {"X": (96, 96, 94, 95)}, late=True)
    until(lambda: len(fills(engine)) == 2)
    assert fills(engine) == [("in", 10, 100.05, ()), ("in.stop", 10, 94.9525, ("replayed",))]
    until(lambda: "not available" not in trader.get("/healthz"))
    assert told(engine, "stop") == ["Sold 10 X at 94.9525"]
    assert trader.stop() == 0
    for message in ("READY=1", "WATCHDOG=1", "STOPPING=1"):
        assert any(message in text for text in heard)
    assert [line["side"] for line in trader.lines if line["message"] == "fill"] == ["buy", "sell"]
    with transaction(engine) as session:
        beat = session.scalars(select(models.Heartbeat)).one()
        assert (beat.service, beat.state) == ("falcon-trader", "stopping")


def test_only_one_of_two_traders_works(engine: Engine, database_url: str) -> None:
    first, second = SingleTrader(engine), SingleTrader(engine)
    assert first.held()
    assert not second.held()
    engine.dispose()
    with outage(database_url), pytest.raises(DatabaseUnavailable):
        first.held()  # the lock went with the connection
    assert second.held()
    assert not first.held()
    second.release()
    assert first.held()
    first.release()


def bars_of(number: int) -> dict[str, tuple[float, ...]]:
    """Five tickers that fall and rise, so that stops and targets are met."""
    return {
        f"T{n}": (
            p := 100 + 4 * ((number * (n + 1)) % 5) - 2 * n,
            p + 2,
            p - 5 - n % 2,
            p - 1,
            200.0 + 40 * n,
        )
        for n in range(5)
    }


def scenario(engine: Engine) -> None:
    """Orders and bars of a stretch of market: entries, partial fills, stops, targets, refusals."""
    for n in range(5):
        hand_in(
            engine,
            buy(f"a{n}", minute(0), f"T{n}", 15, stop=92, target=112),
            buy(f"b{n}", minute(4), f"T{n}", 8, stop=94, protect={"trail_pct": 4.0}),
            buy(f"c{n}", minute(7), f"T{n}", 400),
        )
    for number in range(MINUTES):
        arrive(engine, minute(number), bars_of(number))


def test_kill_9_at_every_step_gives_the_fills_of_an_undisturbed_run(
    engine: Engine, make_desk: MakeDesk, database_url: str, store: BarStore, postgres: EmbeddedPostgres
) -> None:
    """A child is killed before one SQL statement after another, commits included, until the work is done."""
    make_desk(minute(0))
    scenario(engine)
    engine.dispose()
    assert at_every_step(turn_once, (database_url, store.root), stride=4) > 6
    with transaction(engine) as session:
        assert broken_books(session) == {}
        fills_told = models.Notification.kind.in_(("fill", "stop"))
        keys = session.scalars(select(models.Notification.dedupe_key).where(fills_told)).all()
    assert len(keys) == len(fills(engine)) > 8
    with new_database(postgres, template="falcon") as url:
        other = database_engine(url)
        calm = trading_desk(other, store)
        calm.refresh(minute(0))
        scenario(other)
        calm.turn(minute(MINUTES))
        assert fill_hash(other) == fill_hash(engine)
        other.dispose()


def turn_once(url: str, root: Path) -> None:
    desk = trading_desk(database_engine(url), BarStore(root))
    desk.refresh(minute(0))
    desk.turn(minute(MINUTES))


def at_every_step(work: Callable[..., None], arguments: tuple[Any, ...], stride: int) -> int:
    """Do `work` in children that are killed before one SQL statement after another, until one is done; how many died.

    They are forked from a process of its own: this one has threads of Polars and numba, which a fork would leave hanging.
    """
    processes = get_context("forkserver")
    processes.set_forkserver_preload([__name__, work.__module__])
    killed, step = 0, 3
    while True:
        child = processes.Process(target=dying_at, args=(work, arguments, step))
        child.start()
        child.join(120)
        assert child.exitcode is not None, f"it hangs, killed at statement {step}"
        if child.exitcode != -signal.SIGKILL:
            assert child.exitcode == 0
            return killed
        killed += 1
        step += stride


def dying_at(work: Callable[..., None], arguments: tuple[Any, ...], step: int) -> None:
    """Do `work` and die at the statement numbered `step`."""
    count = 0

    def statement(*_arguments: Any) -> None:
        nonlocal count
        count += 1
        if count >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", statement)
    work(*arguments)
    os._exit(0)


def test_a_start_loads_neither_pandas_nor_a_compiler() -> None:
    """They would be two thirds of the memory of trader and feed."""
    code = (
        "import sys, datetime; import falcon_pipelines.trading.live.service, falcon_pipelines.trading.feed.build;"
        "from falcon_pipelines.bars.calendar import is_session; is_session(datetime.date(2026, 11, 2));"
        "print(sorted({'pandas', 'numba', 'exchange_calendars', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout == b"[]\n"
