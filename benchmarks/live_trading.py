"""Speed of the trader: bursts of 5,000 live bars read from the table, matched against 500 resting orders, committed.

Run: python -m benchmarks.live_trading [minutes]. Prints bars a second, the time from a burst in the table to its
fills committed, and memory, each beside its target. 390 minutes are the soak of one session.
"""

import io
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import psutil
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, func, select

from benchmarks.paper_trading import SESSION, bursts, resting_orders, without_limits
from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.embedded import embedded_postgres
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.migrate import upgrade
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.brokers import PaperLedger
from falcon_pipelines.trading.live.candidate_desk import CandidateDesk
from falcon_pipelines.trading.live.desk import TradingDesk
from falcon_pipelines.trading.live.facts import FactBook
from falcon_pipelines.trading.live.metrics import Metrics
from falcon_pipelines.trading.live.routing import load_routing
from falcon_pipelines.trading.reconciliation import broken_books
from falcon_pipelines.trading.store import create_account, submit

TARGET_BARS, TARGET_MS, TARGET_MB = 20_000, 250, 300
COLUMNS = "ticker,starts_at,revision,open,high,low,close,volume,source,basis,late"


def write(engine: Engine, moment: datetime, bars: dict[str, object]) -> None:
    """One burst into the table, in one transaction, as the feed does."""
    lines = io.StringIO()
    at = moment.isoformat()
    for ticker, bar in bars.items():
        prices = f"{bar.open}\t{bar.high}\t{bar.low}\t{bar.close}\t{bar.volume}"  # type: ignore[attr-defined]
        lines.write(f"{ticker}\t{at}\t0\t{prices}\talpaca\tsip\tf\n")
    lines.seek(0)
    connection = engine.raw_connection()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY live_bars ({COLUMNS}) FROM STDIN", lines)  # type: ignore[attr-defined]
    connection.commit()
    connection.close()


def run(minutes: int) -> dict[str, float]:
    """The figures, and whether the books balance."""
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder)) as server:
        url = server.url("falcon")
        upgrade(url)
        engine = database_engine(url)
        opens = session_open_close(SESSION)[0]
        with transaction(engine) as session:
            account = create_account(
                session, "candidates", Decimal(1_000_000), opens, Rules(), live_sequence=0
            )
            submit(session, account, resting_orders())
        store = BarStore(Path(folder) / "bars")
        desk = TradingDesk(
            engine, store, CandidateDesk(load_routing(without_limits(Path(folder))), FactBook(store, {})),
            lambda found: PaperLedger(engine, found.id, {}), Decimal(1_000_000), "paper", Metrics(CollectorRegistry()),
        )  # fmt: skip
        desk.refresh(datetime.now(UTC))
        taken, worked = [], 0
        for moment, bars in bursts(minutes):
            write(engine, moment.time, dict(bars))
            start = time.perf_counter()
            worked += desk.turn(datetime.now(UTC))
            taken.append(time.perf_counter() - start)
        with transaction(engine) as session:
            fills = session.scalar(select(func.count()).select_from(models.Fill)) or 0
            assert broken_books(session) == {}
        resident = psutil.Process().memory_info().rss / 2**20
        engine.dispose()
    return {
        "bars": worked,
        "fills": fills,
        "bars_per_second": worked / sum(taken),
        "p99_ms": float(np.percentile(taken, 99) * 1000),
        "median_ms": float(np.median(taken) * 1000),
        "resident_mb": resident,
    }


def main(minutes: int) -> None:
    """Run and print."""
    found = run(minutes)
    print(
        f"{found['bars']:,.0f} live bars, {found['fills']:,.0f} fills, every one committed, the books balance"
    )
    print(f"bars a second            {found['bars_per_second']:>10,.0f}   target {TARGET_BARS:,}")
    print(f"burst to commit, median  {found['median_ms']:>10,.0f} ms")
    print(f"burst to commit, p99     {found['p99_ms']:>10,.0f} ms   target {TARGET_MS}")
    print(f"resident memory          {found['resident_mb']:>10,.0f} MB   target {TARGET_MB}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
