"""Speed of the whole live path: a replay through `falcon feed`, the table and `falcon trader`, as two processes.

Run: python -m benchmarks.live_path [minutes]. 5,000 symbols, 500 resting orders. First a burst of 5,000 bars every
5 seconds: how long from a bar's commit to the commit of its fill. Then as fast as it goes: bars worked through a
second. PostgreSQL itself says when each was committed (track_commit_timestamp).
"""

import gzip
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl
import psutil
from sqlalchemy import Engine, create_engine, text

from benchmarks.paper_trading import (
    SESSION,
    SYMBOLS,
    TARGET_BARS,
    TARGET_MB,
    TARGET_MS,
    bursts,
    resting_orders,
    without_limits,
)
from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.flat_files import CSV_SCHEMA, DirectorySource, file_key, mark_synthetic
from falcon_pipelines.bars.ingest import ingest_session
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.embedded import EmbeddedPostgres, embedded_postgres
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.migrate import upgrade
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.live.candidate_desk import ACCOUNT
from falcon_pipelines.trading.store import create_account, submit


def stored_minutes(folder: Path, engine: Engine, minutes: int) -> BarStore:
    """A bar store with one session of the bursts."""
    parts = []
    for moment, bars in bursts(minutes):
        parts.append(
            pl.DataFrame(
                {
                    "ticker": list(bars),
                    "volume": [bar.volume for bar in bars.values()],
                    "open": [bar.open for bar in bars.values()],
                    "close": [bar.close for bar in bars.values()],
                    "high": [bar.high for bar in bars.values()],
                    "low": [bar.low for bar in bars.values()],
                    "window_start": int(moment.time.timestamp()) * 1_000_000_000,
                    "transactions": 1,
                }
            ).select(*CSV_SCHEMA)
        )
    path = folder / "files" / file_key("minute", SESSION)
    path.parent.mkdir(parents=True)
    table = pl.concat(parts).sort("ticker", "window_start")
    path.write_bytes(gzip.compress(table.write_csv().encode(), compresslevel=1))
    mark_synthetic(folder / "files", {"benchmark": True})
    store = BarStore(folder / "store", engine)
    ingest_session(DirectorySource(folder / "files"), store, "minute", SESSION)
    return store


@contextmanager
def process(command: str, folder: Path, url: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`falcon COMMAND` until the block ends; what it says goes to a file."""
    environment = os.environ | {
        "FALCON_HOME": str(folder), "FALCON_DATABASE_URL": url, "FALCON_DATA_DIR": str(folder / "store"),
        "FALCON_FEED": "replay", "FALCON_FEED_SYMBOLS": "all", "FALCON_FEED_PORT": "9481", "FALCON_TRADER_PORT": "9482",
        "FALCON_ROUTING_FILE": str(without_limits(folder)), **settings,
    }  # fmt: skip
    with (folder / f"{command}.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "falcon_pipelines", command], env=environment, stderr=log
        )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(60)


@dataclass(frozen=True)
class Cost:
    """The most memory a process had, in megabytes, and the processor time it took for the bars, in seconds."""

    peak_mb: float
    cpu_seconds: float


def cpu_seconds(running: subprocess.Popen[bytes]) -> float:
    """Processor time of a process so far."""
    times = psutil.Process(running.pid).cpu_times()
    return times.user + times.system


def peak_mb(running: subprocess.Popen[bytes]) -> float:
    """The most memory a process had, in megabytes."""
    status = Path(f"/proc/{running.pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"^VmHWM:\s+(\d+) kB", status, flags=re.MULTILINE)[0]) / 1e3


def ask(engine: Engine, question: str) -> tuple[float, ...]:
    """The one row that answers a question."""
    with engine.connect() as connection:
        return tuple(float(value or 0) for value in connection.execute(text(question)).one())


def open_account(engine: Engine) -> None:
    """An account of the trader's with all resting orders, and nothing traded yet."""
    with transaction(engine) as session:
        session.execute(text("TRUNCATE live_bars, feeds, feed_symbols, accounts CASCADE"))
        opened = session_open_close(SESSION)[0]
        account = create_account(session, ACCOUNT, Decimal(1_000_000), opened, Rules(), live_sequence=0)
        submit(session, account, resting_orders())


def work_through(engine: Engine, folder: Path, url: str, bars: int, speed: int) -> tuple[Cost, Cost]:
    """Feed and trader over all minutes, and what each cost."""
    open_account(engine)
    with process("trader", folder, url) as trader:
        time.sleep(10)
        before = cpu_seconds(trader)
        with process("feed", folder, url, FALCON_FEED_REPLAY_SPEED=str(speed)) as feed:
            while ask(engine, "SELECT count(*), 0 FROM live_bars")[0] < bars or (
                ask(
                    engine,
                    "SELECT (SELECT max(sequence) FROM live_bars) - min(live_sequence), 0 FROM accounts",
                )[0]
                > 0
            ):
                if feed.poll() is not None or trader.poll() is not None:
                    said = [(folder / f"{name}.log").read_text()[-2_000:] for name in ("feed", "trader")]
                    raise RuntimeError("a service ended:\n" + "\n".join(said))
                time.sleep(0.5)
            return (
                Cost(peak_mb(feed), cpu_seconds(feed)),
                Cost(peak_mb(trader), cpu_seconds(trader) - before),
            )


_DELAYS = """
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ms), percentile_disc(0.99) WITHIN GROUP (ORDER BY ms), count(*)
FROM (
    SELECT 1000 * extract(epoch FROM pg_xact_commit_timestamp(f.xmin) - pg_xact_commit_timestamp(b.xmin)) AS ms
    FROM fills f JOIN orders o ON o.id = f.order_id
    JOIN live_bars b ON b.ticker = o.ticker AND b.starts_at = f.filled_at AND b.revision = 0
) delays
"""
_SPAN = """
SELECT count(*), extract(epoch FROM
    (SELECT max(pg_xact_commit_timestamp(xmin)) FROM accounts) - min(pg_xact_commit_timestamp(xmin)))
FROM live_bars
"""


def main(minutes: int) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory(prefix="live-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with embedded_postgres(folder) as server:
            _keep_commit_times(server)
        with embedded_postgres(folder) as server:
            url = server.url("falcon")
            upgrade(url)
            engine = database_engine(url)
            stored_minutes(folder, engine, minutes)
            bars = SYMBOLS * minutes
            feed, trader = work_through(engine, folder, url, bars, speed=12)
            median, p99, fills = ask(engine, _DELAYS)
            fast_feed, fast_trader = work_through(engine, folder, url, bars, speed=0)
            count, seconds = ask(engine, _SPAN)
            engine.dispose()
    print(f"{minutes} minutes of {SYMBOLS:,} symbols through feed, table and trader; {fills:.0f} fills")
    print(f"bar committed to fill committed, median ms {median:8.0f}")
    for name, value, target in (
        ("bar committed to fill committed, p99 ms", p99, TARGET_MS),
        ("feed, resident MB at most", max(feed.peak_mb, fast_feed.peak_mb), TARGET_MB),
        ("trader, resident MB at most", max(trader.peak_mb, fast_trader.peak_mb), TARGET_MB),
    ):
        print(f"{name:<42}{value:>10,.0f}   target {target:>8,}   {target / value:6.1f} times better")
    print(
        f"bars for a second of the feed's processor time, its start included {count / fast_feed.cpu_seconds:>12,.0f}"
    )
    print(f"bars for a second of the trader's processor time {count / fast_trader.cpu_seconds:>12,.0f}")
    rate = count / seconds
    print(
        f"{'bars a second, both processes':<42}{rate:>10,.0f}   target {TARGET_BARS:>8,}   {rate / TARGET_BARS:6.1f} times better"
    )


def _keep_commit_times(server: EmbeddedPostgres) -> None:
    admin = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("ALTER SYSTEM SET track_commit_timestamp = on"))
    admin.dispose()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
