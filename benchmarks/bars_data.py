"""Seeded market data of realistic size for the benchmarks of bars; made once and kept."""

import gzip
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.bars_tasks import FIRST, LAST
from falcon_pipelines.bars import calendar
from falcon_pipelines.bars.flat_files import CSV_SCHEMA, DirectorySource, file_key
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import database_engine

MINUTE_DAY = date(2025, 6, 10)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def names(count: int) -> list[str]:
    """Distinct tickers of four letters, sorted."""
    return sorted(
        "".join(_LETTERS[number * 7919 // 26**power % 26] for power in range(4)) for number in range(count)
    )


def minute_day(folder: Path, tickers: int = 10_500, rows: int = 1_850_000) -> Path:
    """A flat file of one minute day with five bad rows."""
    path = folder / file_key("minute", MINUTE_DAY)
    if path.exists():
        return path
    rng = np.random.default_rng(11)
    weights = rng.pareto(0.6, tickers) + 0.02
    counts = np.minimum(900, np.maximum(1, rows * weights / weights.sum())).astype(int)
    while counts.sum() < rows:
        counts = np.minimum(900, (counts * 1.2 + 1).astype(int))
    start = int(calendar.midnight(MINUTE_DAY).timestamp())
    minutes = [np.sort(rng.choice(960, count, replace=False)) + 240 for count in counts]
    flat = np.concatenate(minutes)[:rows]
    ticker = np.repeat(np.array(names(tickers)), counts)[:rows]
    table = _bars(rng, ticker, (start + flat * 60) * 1_000_000_000)
    table[7, "high"] = 0.01
    table[70_000, "volume"] = -1
    table[700_000, "low"] = 99_999.0
    table[rows - 2, "open"] = -5.0
    table[rows - 1, "close"] = 0.0
    _write(table, path)
    return path


def day_store(folder: Path, database_url: str, tickers: int = 10_500) -> tuple[Path, Path, Path]:
    """Five years of days as flat files, as a bar store with its derived tier, and as one pandas file per date."""
    flat, root, by_date = folder / "flat", folder / "store", folder / "by_date"
    by_date.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(12)
    ticker = np.array(names(tickers))
    for session in calendar.sessions(FIRST, LAST):
        path = flat / file_key("day", session)
        start = int(calendar.midnight(session).timestamp()) * 1_000_000_000
        table = _bars(rng, ticker, np.full(tickers, start))
        if not path.exists():
            _write(table, path)
        if not (by_date / f"{session}.parquet").exists():
            table.to_pandas().to_parquet(by_date / f"{session}.parquet")
    store = BarStore(root, database_engine(database_url))
    for _ in ingest_range(DirectorySource(flat), store, "day", FIRST, LAST):
        pass
    store.build_history("day")
    return flat, root, by_date


def _bars(rng: np.random.Generator, ticker: np.ndarray, window_start: np.ndarray) -> pl.DataFrame:
    count = len(ticker)
    close = np.round(np.exp(rng.normal(3.2, 1.1, count)) + 0.5, 2)
    open_ = np.round(close * (1 + rng.normal(0, 0.002, count)), 2)
    return pl.DataFrame(
        {
            "ticker": ticker,
            "volume": np.round(np.exp(rng.normal(7, 2, count))).astype(int),
            "open": open_,
            "close": close,
            "high": np.round(np.maximum(open_, close) + 0.01, 2),
            "low": np.round(np.maximum(0.01, np.minimum(open_, close) - 0.01), 2),
            "window_start": window_start,
            "transactions": rng.integers(1, 500, count),
        },
    ).select(*CSV_SCHEMA)


def _write(table: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_bytes(gzip.compress(table.write_csv().encode(), compresslevel=6, mtime=0))
    temporary.replace(path)
