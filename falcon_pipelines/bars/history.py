"""The derived tier: many sessions in one Parquet file sorted by ticker, so that one ticker's years read fast.

Day bars by year, minute bars by month. A file's name holds a hash of the session files it was made from, so a
version that reads other revisions never meets it, and a new one never disturbs a reader of the old. All of it
can be deleted at any time: readers then use the session files.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import polars as pl

from falcon_pipelines.bars.files import publish, write_errors
from falcon_pipelines.bars.manifest import Entry, Log
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.parquet import arrow_table, write_parquet

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "history"
ROW_GROUP = {"day": 32_768, "minute": 131_072}
_LAYOUT = "1"
_SLICE_ROWS = 4_000_000
"""Merged at a time: a few hundred megabytes."""


def period(frequency: Frequency, session: date) -> str:
    """The derived file a session belongs to: `2014` for day bars, `2014-06` for minute bars."""
    return f"{session.year}" if frequency == "day" else f"{session.year}-{session.month:02}"


def periods(log: Log, frequency: Frequency) -> dict[str, dict[date, Entry]]:
    """The newest entry of each session, by period."""
    sessions = log.sessions(frequency)
    grouped = groupby(sessions.items(), key=lambda item: period(frequency, item[0]))
    return {name: dict(items) for name, items in grouped}


def file_of(root: Path, frequency: Frequency, name: str, entries: Mapping[date, Entry]) -> Path:
    """Where the derived file of exactly those entries is, whether or not it exists."""
    content = "".join(f"{session} {entry.sha256}\n" for session, entry in entries.items())
    key = hashlib.sha256(f"{_LAYOUT}\n{content}".encode()).hexdigest()[:16]
    return root / FOLDER / frequency / f"{name}.{key}.parquet"


def build(
    root: Path, area: Path, log: Log, frequency: Frequency, only: Iterable[str] | None = None
) -> tuple[Path, ...]:
    """Makes the derived files that are missing for `log`; returns those made.

    `area` is a temporary folder on the store's file system; `only` limits it to some periods.
    """
    wanted = None if only is None else set(only)
    made = []
    for name, entries in periods(log, frequency).items():
        if wanted is not None and name not in wanted:
            continue
        target = file_of(root, frequency, name, entries)
        if target.exists():
            continue
        paths = [root / entry.path for entry in entries.values()]
        with write_errors(target):
            write_parquet(area / target.name, _row_groups(paths, ROW_GROUP[frequency]))
            publish([(area / target.name, target)])
        made.append(target)
    return tuple(made)


def sweep(root: Path, log: Log) -> int:
    """Removes derived files that `log` does not read any more; returns how many. Readers fall back meanwhile."""
    current = {
        file_of(root, frequency, name, entries)
        for frequency in get_args(Frequency)
        for name, entries in periods(log, frequency).items()
    }
    stale = [path for path in (root / FOLDER).glob("*/*.parquet") if path not in current]
    with write_errors(root / FOLDER):
        for path in stale:
            path.unlink(missing_ok=True)
    return len(stale)


def _row_groups(paths: list[Path], rows: int) -> Iterator["pa.Table"]:
    """What is merged, cut so that each row group names its own tickers only."""
    for merged in _slices(paths):
        yield from map(arrow_table, merged.iter_slices(rows))


def _slices(paths: list[Path]) -> Iterator[pl.DataFrame]:
    """Session files, each sorted by ticker already, merged a slice of the alphabet at a time."""
    scan = pl.scan_parquet(paths)
    edges = _edges(paths)
    for low, high in zip([None, *edges], [*edges, None], strict=True):
        part = pl.lit(value=True)
        if low is not None:
            part &= pl.col("ticker") >= low
        if high is not None:
            part &= pl.col("ticker") < high
        yield scan.filter(part).collect().sort("ticker", "timestamp")


def _edges(paths: list[Path]) -> list[str]:
    """Tickers at which to cut so that a slice has about _SLICE_ROWS rows; none for a small period."""
    rows = pl.scan_parquet(paths).select(pl.len()).collect().item()
    slices = -(-rows // _SLICE_ROWS)
    if slices == 1:
        return []
    sample = pl.scan_parquet(paths[len(paths) // 2]).select("ticker").collect()["ticker"]
    cuts = [sample[len(sample) * n // slices] for n in range(1, slices)]
    return sorted(set(cuts))
