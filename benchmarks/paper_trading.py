"""Speed of paper trading: minute bars of 5,000 symbols against 500 resting orders, every fill committed.

Run: python benchmarks/paper_trading.py [minutes]. Prints bars a second, the time from a burst of bars to its commit,
and memory, each beside its target.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import psutil
import yaml
from sqlalchemy import func, select

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.db import models
from falcon_pipelines.db.embedded import embedded_postgres
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.migrate import upgrade
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.live.routing import RiskLimits
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Bar, OrderRequest, Protection, usd
from falcon_pipelines.trading.reconciliation import broken_books
from falcon_pipelines.trading.store import create_account, submit
from falcon_pipelines.trading.writer import Trader

SYMBOLS, RESTING, SESSION = 5_000, 500, date(2026, 11, 2)
TARGET_BARS, TARGET_MS, TARGET_MB = 20_000, 250, 300


def bursts(minutes: int) -> Iterator[tuple[Moment, Mapping[str, Bar]]]:
    """A random walk of every symbol, one burst of bars for each minute."""
    random = np.random.default_rng(7)
    names = [f"S{number:04d}" for number in range(SYMBOLS)]
    close = np.full(SYMBOLS, 50.0)
    opens, _ = session_open_close(SESSION)
    for minute in range(minutes):
        open_ = close
        close = np.round(open_ * np.exp(random.normal(0, 0.001, SYMBOLS)), 2)
        high = np.maximum(open_, close) * 1.0004
        low = np.minimum(open_, close) * 0.9996
        at = opens + timedelta(minutes=minute)
        rows = zip(names, open_.tolist(), high.tolist(), low.tolist(), close.tolist(), strict=True)
        yield Moment(at, at, SESSION), {name: Bar(o, h, lo, c, 20_000.0) for name, o, h, lo, c in rows}


def resting_orders() -> list[OrderRequest]:
    """Purchases just below the market, protected: those that fill rest as stops and targets afterwards."""
    at = session_open_close(SESSION)[0]
    protect = Protection(stop_pct=1.0, target_pct=1.0)
    return [
        OrderRequest(
            f"bench-{number:03d}", at, f"S{number * 10:04d}", "buy", "limit", 10,
            limit=usd(49.9 - 0.002 * number), protect=protect,
        )
        for number in range(RESTING)
    ]  # fmt: skip


def without_limits(folder: Path) -> Path:
    """A routing file without risk limits: 500 positions are to be matched, not ten."""
    path = folder / "routing.yaml"
    limits = {name: None for name in RiskLimits.model_fields if name != "guard_sessions"}
    path.write_text(yaml.safe_dump({"limits": limits, "rules": [{"name": "none", "strategy": "none"}]}))
    return path


def main(minutes: int) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder)) as server:
        url = server.url("falcon")
        upgrade(url)
        engine = database_engine(url)
        with transaction(engine) as session:
            opened = session_open_close(SESSION)[0]
            account = create_account(session, "bench", Decimal(1_000_000), opened, Rules())
            submit(session, account, resting_orders())
        trader = Trader(engine, account)
        taken = []
        for moment, bars in bursts(minutes):
            start = time.perf_counter()
            trader.work(moment, bars)
            taken.append(time.perf_counter() - start)
        with transaction(engine) as session:
            fills = session.scalar(select(func.count()).select_from(models.Fill))
            broken = broken_books(session)
        engine.dispose()
    rate, p99 = SYMBOLS * minutes / sum(taken), float(np.percentile(taken, 99)) * 1_000
    memory = psutil.Process().memory_info().rss / 1e6
    lines = (
        ("bars a second", rate, TARGET_BARS, rate / TARGET_BARS),
        ("burst to commit, p99 ms", p99, TARGET_MS, TARGET_MS / p99),
        ("resident MB", memory, TARGET_MB, TARGET_MB / memory),
    )
    print(
        f"{minutes} minutes of {SYMBOLS:,} symbols, {RESTING} orders, {fills} fills, {len(broken)} broken books"
    )
    for name, value, target, ratio in lines:
        print(f"{name:<26}{value:>12,.0f}   target {target:>8,}   {ratio:6.1f} times better")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 390)
