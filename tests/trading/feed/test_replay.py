"""Replays of real minutes: the session's bars and no others, at their own times, through kills and restarts."""

import os
import signal
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from falcon_pipelines.bars.calendar import is_session, session_open_close
from falcon_pipelines.bars.store import BarStore, NoBars
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import Feed, Heartbeat, LiveBar
from falcon_pipelines.services.service import Service
from falcon_pipelines.settings import Settings
from falcon_pipelines.trading.feed.arrivals import Arrivals, Finished
from falcon_pipelines.trading.feed.backfill import StoredBackFill
from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.feed.build import feed_of_first_minutes
from falcon_pipelines.trading.feed.loop import FeedLoop, Rules
from falcon_pipelines.trading.feed.replay import Replay
from tests.services.waiting import until
from tests.trading.feed.running import bar, running_feed
from tests.trading.feed.stored import real_minutes, store_of

CHRISTMAS_EVE = date(2015, 12, 24)


def in_session(bars: list[MinuteBar]) -> list[MinuteBar]:
    hours = {
        day: session_open_close(day) for day in {bar.starts_at.date() for bar in bars} if is_session(day)
    }
    return [bar for bar in bars if (h := hours.get(bar.starts_at.date())) and h[0] <= bar.starts_at < h[1]]


def arrived(engine: Engine) -> list[MinuteBar]:
    with transaction(engine) as session:
        return [
            MinuteBar(
                row.ticker, int(row.starts_at.timestamp()),
                *(float(value) for value in (row.open, row.high, row.low, row.close, row.volume)),
            )
            for row in session.scalars(select(LiveBar).order_by(LiveBar.sequence))
        ]  # fmt: skip


def command(url: str, store: Path, home: Path, watchlist: str, **more: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "FALCON_HOME": str(home), "FALCON_DATABASE_URL": url, "FALCON_DATA_DIR": str(store), "FALCON_FEED": "replay",
        "FALCON_FEED_REPLAY_SPEED": "0", "FALCON_WATCHLIST": watchlist, "FALCON_FEED_PORT": "0", **more,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "falcon_pipelines", "feed", "--exit-when-finished"],
        env=environment,
        stderr=subprocess.PIPE,
    )


def test_real_minutes_come_through_the_command_without_those_outside_the_session(
    database_url: str, tmp_path: Path, lean: Path
) -> None:
    engine = database_engine(database_url)
    bars = [*real_minutes(lean, "GOOG"), *real_minutes(lean, "AAPL")]
    store_of(tmp_path / "store", engine, tmp_path / "files", bars)
    feed = command(database_url, tmp_path / "store", tmp_path, "GOOG,AAPL")
    assert feed.wait(90) == 0, feed.communicate()
    expected = sorted(in_session(bars), key=lambda bar: (bar.time, bar.ticker))
    assert arrived(engine) == expected
    eve = [bar for bar in expected if bar.starts_at.date() == CHRISTMAS_EVE]
    assert eve[-1].starts_at.hour == 17  # 13:00 New York
    assert len(eve) == 210
    with transaction(engine) as session:
        row = session.scalars(select(Feed)).one()
        assert (row.name, row.state, row.basis) == ("replay", "stopped", "sip")
        assert row.counts["written"] == len(expected)
        assert session.scalars(select(Heartbeat.state)).one() == "stopping"
        assert not session.scalar(select(func.bool_or(LiveBar.late)))


def test_a_replay_without_stored_minutes_says_so_and_begins_with_the_first(
    database_url: str, tmp_path: Path
) -> None:
    engine = database_engine(database_url)
    store = BarStore(tmp_path / "store", engine)
    settings = Settings(
        home=tmp_path, data_dir=tmp_path / "store", feed="replay", feed_replay_speed=0, watchlist="A"
    )
    with Service("falcon-feed", engine, beat_seconds=0.1) as service:
        found: list[FeedLoop | None] = []
        waiting = threading.Thread(
            target=lambda: found.append(feed_of_first_minutes(settings, engine, service))
        )
        waiting.start()
        until(lambda: "no stored minutes" in (service.detail or ""))
        with transaction(engine) as session:
            until(lambda: session.scalars(select(Heartbeat.state)).one() == "degraded")
        store_of(store.root, engine, tmp_path / "files", [bar("A", minute) for minute in range(390)])
        waiting.join(30)
        assert found[0] is not None
        assert service.state == "ok"
        service.stopping.set()


def test_a_replay_that_is_killed_again_and_again_brings_the_same_bars(
    database_url: str, tmp_path: Path, lean: Path
) -> None:
    engine = database_engine(database_url)
    bars = real_minutes(lean, "AAPL")
    store_of(tmp_path / "store", engine, tmp_path / "files", bars)
    expected = in_session(bars)
    for kill in range(2):
        feed = command(database_url, tmp_path / "store", tmp_path, "AAPL", FALCON_FEED_REPLAY_SPEED="6000")
        wanted = 200 * (kill + 1)
        until(lambda wanted=wanted: len(arrived(engine)) > wanted, 60)  # type: ignore[misc]
        feed.send_signal(signal.SIGKILL)
        feed.communicate()
    last = command(database_url, tmp_path / "store", tmp_path, "AAPL")
    assert last.wait(90) == 0, last.communicate()
    assert arrived(engine) == expected


def test_tickers_added_in_mid_session_come_with_what_they_missed(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    bars = [bar(ticker, minute) for minute in range(390) for ticker in ("A", "B")]
    store = store_of(tmp_path / "store", engine, tmp_path / "files", bars)
    arrivals = Arrivals(10_000)
    replay = Replay(store, arrivals, speed=4800)
    tickers = ["A"]
    with running_feed(
        engine, tmp_path, arrivals, replay, StoredBackFill(replay.stored), lambda: tickers
    ) as running:
        until(lambda: len(arrived(engine)) > 20)
        tickers.append("B")
        until(lambda: {bar.ticker for bar in arrived(engine)} == {"A", "B"})
        until(lambda: (row := running.feed()) is not None and row.state == "finished", 60)
    found = arrived(engine)
    assert sorted(found) == sorted(bars)
    assert [b.time for b in found if b.ticker == "A"] == [b.time for b in bars if b.ticker == "A"]


def test_a_replay_goes_on_from_its_minute_and_within_its_dates(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    monday = [bar("A", minute) for minute in range(390)]
    tuesday = [item._replace(time=item.time + 86_400) for item in monday]
    store = store_of(tmp_path / "store", engine, tmp_path / "files", monday + tuesday)
    day = tuesday[0].starts_at.date()
    for options, expected in (
        ({"resume_at": monday[380].time}, [*monday[380:], *tuesday]),
        ({"resume_at": monday[389].time, "start": day}, tuesday),
        ({"end": monday[0].starts_at.date()}, monday),
    ):
        arrivals = Arrivals(10_000)
        replay = Replay(store, arrivals, speed=0, **options)  # type: ignore[arg-type]
        replay.watch(frozenset({"A"}))
        assert _everything(arrivals) == expected
    with pytest.raises(NoBars):
        Replay(store, Arrivals(1), start=date(2027, 1, 4))


def _everything(arrivals: Arrivals) -> list[MinuteBar]:
    """What a replay puts until it is finished."""
    found: list[MinuteBar] = []
    while True:
        for item in arrivals.take(10_000, 1.0):
            if isinstance(item, list):
                found += item
            elif isinstance(item, Finished):
                return found


def test_an_empty_store_has_nothing_to_replay(database_url: str, tmp_path: Path) -> None:
    feed = command(database_url, tmp_path / "store", tmp_path, "A")
    _, err = feed.communicate(timeout=60)
    assert feed.returncode == 2
    assert b"has no minute bars to replay" in err.splitlines()[-1]


def test_everything_can_be_replayed(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    bars = [bar(f"T{number}", minute) for minute in range(3) for number in range(50)]
    store = store_of(tmp_path / "store", engine, tmp_path / "files", bars)
    arrivals = Arrivals(60)
    replay = Replay(BarStore(store.root), arrivals, speed=0)
    rules = Rules(everything=True, stop_when_finished=True)
    with running_feed(
        engine, tmp_path, arrivals, replay, StoredBackFill(replay.stored), list, rules
    ) as running:
        until(lambda: (row := running.feed()) is not None and row.state in ("finished", "stopped"))
    assert sorted(arrived(engine)) == sorted(bars)
