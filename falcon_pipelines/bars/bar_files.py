"""Somebody's own bars, for `--bars FILE`: a CSV or Parquet file as a panel, checked and never stored.

Columns `ticker,timestamp,open,high,low,close,volume`, in any order; others are ignored. A timestamp is the start of
the bar: plain dates and times without a zone are New York's, times with a zone are taken at their word.
"""

import hashlib
from datetime import time
from pathlib import Path

import numpy as np
import polars as pl

from falcon_pipelines.bars.panel import FIELDS, Panel
from falcon_pipelines.errors import InputError

COLUMNS = ("ticker", "timestamp", *FIELDS)
_NEW_YORK = "America/New_York"
_UTC = pl.Datetime("ns", "UTC")
_LINE = "line"


class BadBarFile(InputError):
    """A file of bars that cannot be used; the message names the line."""


def read_bar_file(path: Path) -> Panel:
    """The bars of a `.csv` or `.parquet` file, sorted and aligned.

    All at New York midnight make a day panel, anything else a minute panel. The version is `file-` and the start of
    the file's SHA-256. Raises BadBarFile.
    """
    table, word = _read(path)
    table = table.with_columns(pl.col("ticker").str.strip_chars())
    problem = _first_problem(table)
    if problem is not None:
        raise BadBarFile(f"{path}: {word} {problem[0]}: {problem[1]}")
    timestamps, rows = np.unique(
        table["timestamp"].dt.replace_time_zone(None).to_numpy().astype("datetime64[ns]"), return_inverse=True
    )
    tickers = tuple(table["ticker"].unique().sort())
    columns = table["ticker"].replace_strict(list(tickers), list(range(len(tickers))), return_dtype=pl.Int64)
    fields = {}
    for name in FIELDS:
        values = np.full((len(timestamps), len(tickers)), np.nan)
        values[rows, columns.to_numpy()] = table[name].to_numpy()
        fields[name] = values
    local = table["timestamp"].dt.convert_time_zone(_NEW_YORK).dt.time()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Panel(
        timestamps=timestamps,
        tickers=tickers,
        fields=fields,
        frequency="day" if (local == time(0)).all() else "minute",
        version=f"file-{digest[:12]}",
    )


def _read(path: Path) -> tuple[pl.DataFrame, str]:
    """The columns with their types and line numbers, null where unparsable; and what a line is called."""
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    try:
        if is_parquet:
            raw = pl.read_parquet(path, glob=False).with_row_index(_LINE, offset=1)
        else:
            raw = pl.read_csv(path, infer_schema=False, empty_string_is_null=True, glob=False).with_row_index(
                _LINE, offset=2
            )
    except FileNotFoundError:
        raise BadBarFile(f"{path}: no such file of bars") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        kind = "Parquet" if is_parquet else "CSV"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadBarFile(f"{path}: cannot be read as {kind} ({reason})") from error
    absent = [name for name in COLUMNS if name not in raw.columns]
    if absent:
        raise BadBarFile(f"{path}: lacks the columns {', '.join(absent)}; expected {','.join(COLUMNS)}")
    if raw.is_empty():
        raise BadBarFile(f"{path}: has no bars")
    table = raw.select(
        _LINE,
        pl.col("ticker").cast(pl.String),
        _moments(raw["timestamp"], path).alias("timestamp"),
        *(_numbers(raw[name]).alias(name) for name in FIELDS),
    )
    return table, "row" if is_parquet else "line"


def _numbers(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    return column.cast(pl.Float64, strict=False)


def _moments(column: pl.Series, path: Path) -> pl.Series:
    dtype = column.dtype
    if dtype == pl.Date:
        return _from_new_york(column.cast(pl.Datetime("ns")))
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return _from_new_york(column.cast(pl.Datetime("ns")))
        return column.dt.convert_time_zone("UTC").cast(_UTC)
    if dtype != pl.String:
        raise BadBarFile(f"{path}: the timestamp column holds {dtype}; expected dates, times or text")
    text = column.str.strip_chars().str.replace("T", " ", literal=True).str.replace(r"Z$", "+00:00")
    plain = text.str.to_datetime("%Y-%m-%d", time_unit="ns", strict=False)
    naive = plain
    zoned = pl.Series([None] * len(text), dtype=_UTC)
    for shape in ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.f"):
        naive = naive.zip_with(naive.is_not_null(), text.str.to_datetime(shape, time_unit="ns", strict=False))
        with_zone = text.str.to_datetime(shape + "%#z", time_unit="ns", time_zone="UTC", strict=False)
        zoned = zoned.zip_with(zoned.is_not_null(), with_zone)
    return zoned.zip_with(zoned.is_not_null(), _from_new_york(naive))


def _from_new_york(naive: pl.Series) -> pl.Series:
    # An hour that the clocks skip does not exist: null, so that it is reported. One they repeat is the first.
    local = naive.dt.replace_time_zone(_NEW_YORK, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC").cast(_UTC)


def _first_problem(table: pl.DataFrame) -> tuple[int, str] | None:
    """The first line that is wrong and what is wrong with it."""
    prices = ("open", "high", "low", "close")
    key = pl.struct("ticker", "timestamp")
    problems = {
        "has no ticker": pl.col("ticker").is_null() | (pl.col("ticker") == ""),
        "timestamp is missing or cannot be read; write 2014-06-09 or 2014-06-09T09:30:00-04:00": pl.col(
            "timestamp"
        ).is_null(),
        **{f"{name} is missing or no number": ~pl.col(name).is_finite().fill_null(False) for name in FIELDS},
        **{f"{name} is not above zero": pl.col(name) <= 0 for name in prices},
        "volume is below zero": pl.col("volume") < 0,
        "high is below low": pl.col("high") < pl.col("low"),
        "high is below open or close": pl.col("high") < pl.max_horizontal("open", "close"),
        "low is above open or close": pl.col("low") > pl.min_horizontal("open", "close"),
        "repeats the ticker and timestamp of an earlier line": key.is_duplicated() & ~key.is_first_distinct(),
    }
    broken = pl.coalesce(pl.when(wrong).then(pl.lit(problem)) for problem, wrong in problems.items())
    found = table.select(_LINE, broken.alias("problem")).filter(pl.col("problem").is_not_null())
    return None if found.is_empty() else (int(found[_LINE][0]), str(found["problem"][0]))
