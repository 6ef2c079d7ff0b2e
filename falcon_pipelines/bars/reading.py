"""Reads raw bars of a version from the derived tier and the session files, and puts them under the names asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from falcon_pipelines.bars import history
from falcon_pipelines.bars.calendar import FIRST_YEAR, midnight
from falcon_pipelines.bars.flat_files import SYNTHETIC
from falcon_pipelines.bars.manifest import Entry, Log
from falcon_pipelines.bars.panel import Frequency, Panel
from falcon_pipelines.bars.securities import Segment
from falcon_pipelines.bars.validation import BAR_SCHEMA
from falcon_pipelines.errors import FalconError

_LAST_DAY = date(2200, 1, 1)


class StoreDamaged(FalconError):
    """A file the manifest names is gone or cannot be read."""


def read_table(root: Path, path: str) -> pl.DataFrame:
    """One Parquet file of the store. Raises StoreDamaged."""
    try:
        return pl.read_parquet(root / path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _damaged(root / path, error) from error


def read_bars(
    root: Path,
    log: Log,
    frequency: Frequency,
    start: date,
    end: date,
    columns: Sequence[str],
    names: "Names",
) -> pl.DataFrame:
    """Raw bars from session `start` to `end`, both included, from the derived tier where it has them.

    `ticker` is the label of `names`. Raises StoreDamaged.
    """
    try:
        return _collect(_paths(root, log, frequency, start, end), start, end, columns, names)
    except FileNotFoundError:
        # A derived file was replaced since we looked: the session files are always there.
        paths = [root / entry.path for entry in _between(log.sessions(frequency), start, end)]
    try:
        return _collect(paths, start, end, columns, names)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _damaged(root, error) from error


@dataclass(frozen=True)
class Names:
    """Whose rows are wanted, and what they are called: those of `segments`, and of tickers in none with `others`."""

    segments: tuple[Segment, ...] = ()
    others: bool = True

    def label(self, table: pl.DataFrame, column: str) -> pl.DataFrame:
        """The wanted rows of a table with `ticker` and a date or time `column`, under their labels.

        A row that belongs to two labels comes twice.
        """
        if not self.segments:
            return table if self.others else table.clear()
        is_date = table.schema[column] == pl.Date
        bounds = [(segment.label, segment.ticker, *_bounds(segment, is_date)) for segment in self.segments]
        dtype = table.schema[column]
        spans = pl.DataFrame(
            bounds, schema={"label": pl.String, "ticker": pl.String, "from": dtype, "to": dtype}, orient="row"
        )
        rows = table.join(spans, on="ticker", how="inner").filter(
            (pl.col(column) >= pl.col("from")) & (pl.col(column) < pl.col("to"))
        )
        named = rows.with_columns(ticker="label").select(table.columns)
        if not self.others:
            return named
        return pl.concat([table.join(spans.select("ticker").unique(), on="ticker", how="anti"), named])

    def are_plain(self, start: date, end: date) -> bool:
        """Whether every label is its ticker, all the time from `start` to `end`."""
        return all(
            segment.label == segment.ticker and segment.first <= start and segment.last >= end
            for segment in self.segments
        ) and len({segment.label for segment in self.segments}) == len(self.segments)


def _bounds(segment: Segment, is_date: bool) -> tuple[date, date]:
    first = max(segment.first, date(FIRST_YEAR, 1, 1))
    after = min(segment.last, _LAST_DAY) + timedelta(days=1)
    return (first, after) if is_date else (midnight(first), midnight(after))


def aligned(
    bars: pl.DataFrame, names: tuple[str, ...], fields: Sequence[str], frequency: Frequency, log: Log
) -> Panel:
    """Bars in rows as a raw panel with one column per name."""
    moments = bars["timestamp"].dt.replace_time_zone(None)
    timestamps = moments.unique().sort().to_numpy().astype("datetime64[ns]")
    rows = np.searchsorted(timestamps, moments.to_numpy())
    columns = bars["ticker"].cast(pl.Enum(names)).to_physical().to_numpy()
    arrays = {}
    for name in fields:
        array = np.full((len(timestamps), len(names)), np.nan)
        array[rows, columns] = bars[name].to_numpy()
        arrays[name] = array
    return Panel(timestamps, names, arrays, frequency, log.version, synthetic=log.basis == SYNTHETIC)


def _paths(root: Path, log: Log, frequency: Frequency, start: date, end: date) -> list[Path]:
    paths: list[Path] = []
    for name, entries in history.periods(log, frequency).items():
        wanted = _between(entries, start, end)
        if not wanted:
            continue
        derived = history.file_of(root, frequency, name, entries)
        if len(wanted) > 1 and derived.exists():
            paths.append(derived)
        else:
            paths += [root / entry.path for entry in wanted]
    return paths


def _collect(paths: list[Path], start: date, end: date, columns: Sequence[str], names: Names) -> pl.DataFrame:
    if not paths:
        return pl.DataFrame(schema={name: BAR_SCHEMA[name] for name in columns})
    time = pl.col("timestamp")
    wanted = (time >= midnight(start)) & (time < midnight(end + timedelta(days=1)))
    if not names.others:
        wanted &= pl.col("ticker").is_in(sorted({segment.ticker for segment in names.segments}))
    bars = pl.scan_parquet(paths).filter(wanted)
    if names.are_plain(start, end):
        return bars.select(columns).collect()
    rows = bars.select(list(dict.fromkeys(["ticker", "timestamp", *columns]))).collect()
    return names.label(rows, "timestamp").select(columns)


def _between(entries: Mapping[date, Entry], start: date, end: date) -> list[Entry]:
    return [entry for session, entry in entries.items() if start <= session <= end]


def _damaged(path: Path, error: Exception) -> StoreDamaged:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return StoreDamaged(f"{path}: cannot be read ({reason}); restore it from the backup")
