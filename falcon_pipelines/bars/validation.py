"""Checks a flat file row by row: good bars on one side, quarantined lines with their rule on the other.

A file that cannot be trusted as a whole is an error instead. Prices are never altered here, however odd:
suspicious bars that could be real are the business of `falcon_pipelines.bars.quality`.
"""

import gzip
import io
import zlib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl

from falcon_pipelines.bars.calendar import session_bounds
from falcon_pipelines.bars.flat_files import CSV_SCHEMA
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.errors import InputError

BAR_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "ticker": pl.String,
    "timestamp": pl.Datetime("ns", "UTC"),
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
    "transactions": pl.Int64,
}
"""Columns of a stored session, sorted by ticker, then timestamp."""

QUARANTINE_SCHEMA = {"line": pl.Int64, "raw": pl.String, "rule": pl.String, "etag": pl.String}

_MINUTE_NS = 60 * 1_000_000_000
_LINE = "line"
_FIRST_LINE = 2
"""Line 1 is the header; without quoting, each row is one line."""
_OFF_SESSION = "time outside the session's day"
_RULE = "rule"
_CHUNK_BYTES = 1 << 20


class BadFlatFile(InputError):
    """A flat file that cannot be used at all; its subtypes say why."""


class UnreadableFile(BadFlatFile):
    """Truncated or corrupt gzip, or no text."""


class WrongColumns(BadFlatFile):
    """The header is not the declared one."""


class WrongSession(BadFlatFile):
    """Most rows belong to another day than the file's name says."""


class ConflictingDuplicates(BadFlatFile):
    """Two rows for one ticker and time disagree."""


class NoGoodRows(BadFlatFile):
    """The file has no row that can be used."""


@dataclass(frozen=True)
class CheckedFile:
    """`good` has BAR_SCHEMA, `quarantined` QUARANTINE_SCHEMA; together they are every row of the file."""

    good: pl.DataFrame
    quarantined: pl.DataFrame
    rows_in: int


def check_flat_file(path: Path, frequency: Frequency, session: date, etag: str, label: str) -> CheckedFile:
    """Reads a gzipped flat file and separates good bars from bad lines.

    `label` names the file in messages. Raises a subtype of BadFlatFile when the whole file is unusable.
    """
    _require_header(path, label)
    rows = _read(path, label)
    rules = _rules(frequency, session)
    clean, in_order = rows.select(
        clean=~pl.any_horizontal(*rules.values()).any(), in_order=_strictly_increasing()
    ).row(0)
    if clean and in_order:
        # Strictly increasing keys cannot repeat: most files end here.
        return CheckedFile(_bars(rows), _with_raw_lines(_no_lines(), path, etag), rows.height)
    rows = rows.with_row_index(_LINE, offset=_FIRST_LINE).with_columns(
        pl.coalesce(pl.when(broken).then(pl.lit(rule)) for rule, broken in rules.items()).alias(_RULE)
    )
    _require_session(rows, session, label)
    rows = _mark_duplicates(rows, label)
    good = rows.filter(pl.col(_RULE).is_null())
    if good.is_empty():
        raise NoGoodRows(f"{label}: none of its {rows.height} rows is usable")
    bad = rows.filter(pl.col(_RULE).is_not_null()).select(_LINE, _RULE)
    bars = _bars(good)
    return CheckedFile(
        good=bars if in_order else bars.sort("ticker", "timestamp"),
        quarantined=_with_raw_lines(bad, path, etag),
        rows_in=rows.height,
    )


def _require_header(path: Path, label: str) -> None:
    expected = ",".join(CSV_SCHEMA)
    try:
        with gzip.open(path, "rb") as file:
            header = file.readline(10_000).decode("utf-8", "replace").rstrip("\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{label}: not a complete gzip file ({error}); fetch it again") from error
    if header != expected:
        raise WrongColumns(f"{label}: columns are {header[:200]!r}, expected {expected!r}")


def _read(path: Path, label: str) -> pl.DataFrame:
    """All rows in the file's order; one that does not parse has nulls."""
    try:
        rows = pl.read_csv(path, schema=CSV_SCHEMA, quote_char=None)
    except pl.exceptions.NoDataError:
        raise NoGoodRows(f"{label}: the file is empty") from None
    except pl.exceptions.PolarsError:
        rows = _read_leniently(path, label)
    except OSError as error:
        raise UnreadableFile(f"{label}: not a complete gzip file ({error}); fetch it again") from error
    if rows.is_empty():
        raise NoGoodRows(f"{label}: the file has a header and no rows")
    return rows


def _read_leniently(path: Path, label: str) -> pl.DataFrame:
    """As the fast reader, but a line with a wrong number of fields or an unparsable one becomes nulls."""
    try:
        with gzip.open(path, "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{label}: not a complete gzip file ({error}); fetch it again") from error
    lines = pl.Series("raw", text.split("\n")[1:], dtype=pl.String).str.strip_suffix("\r")
    if len(lines) and lines[-1] == "":
        lines = lines.head(-1)
    fields = lines.to_frame().select(pl.col("raw").str.split(",").alias("fields"))
    complete = pl.col("fields").list.len() == len(CSV_SCHEMA)
    return fields.select(
        pl.when(complete)
        .then(pl.col("fields").list.get(position, null_on_oob=True))
        .replace("", None)
        .cast(dtype, strict=False)
        .alias(name)
        for position, (name, dtype) in enumerate(CSV_SCHEMA.items())
    )


def _rules(frequency: Frequency, session: date) -> dict[str, pl.Expr]:
    start, end = (int(moment.timestamp()) * 1_000_000_000 for moment in session_bounds(session))
    time = pl.col("window_start")
    on_time = (
        time == start
        if frequency == "day"
        else time.is_between(start, end, closed="left") & (time % _MINUTE_NS == 0)
    )
    return _session_free_rules() | {_OFF_SESSION: ~on_time.fill_null(True)}


@cache
def _session_free_rules() -> dict[str, pl.Expr]:
    """What is wrong with a row, by name; each False where a value is missing, but for the first."""
    prices = [pl.col(name) for name in ("open", "high", "low", "close")]
    rules = {
        "unparsable or missing value": pl.any_horizontal(pl.col(name).is_null() for name in CSV_SCHEMA),
        "ticker not printable": pl.col("ticker").str.contains(r"[\s\x00-\x1f\x{FFFD}]"),
        "price not positive": ~pl.all_horizontal(price.is_finite() & (price > 0) for price in prices),
        "high below open, low or close": pl.col("high") < pl.max_horizontal("open", "low", "close"),
        "low above open or close": pl.col("low") > pl.min_horizontal("open", "close"),
        "volume negative": ~(pl.col("volume").is_finite() & (pl.col("volume") >= 0)),
        "transactions negative": pl.col("transactions") < 0,
    }
    return {rule: broken.fill_null(False) for rule, broken in rules.items()}


def _require_session(rows: pl.DataFrame, session: date, label: str) -> None:
    strays = (rows[_RULE] == _OFF_SESSION).sum()
    if strays * 2 > rows.height:
        sample = rows.filter(pl.col(_RULE) == _OFF_SESSION)["window_start"]
        found = (
            pl.Series([sample[0]]).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("America/New_York")[0]
        )
        raise WrongSession(
            f"{label}: {strays} of {rows.height} rows are not of session {session}; the first is of {found.isoformat()}"
        )


def _mark_duplicates(rows: pl.DataFrame, label: str) -> pl.DataFrame:
    key = ["ticker", "window_start"]
    usable = pl.col(_RULE).is_null()
    if rows.filter(usable).select(pl.struct(key).is_duplicated().any()).item() is not True:
        return rows
    good = rows.filter(usable)
    distinct = good.unique(subset=list(CSV_SCHEMA), keep="first", maintain_order=True)
    conflicts = distinct.filter(pl.struct(key).is_duplicated())
    if not conflicts.is_empty():
        first = conflicts.row(0, named=True)
        same = conflicts.filter(
            (pl.col("ticker") == first["ticker"]) & (pl.col("window_start") == first["window_start"])
        )
        lines = ", ".join(str(line) for line in same[_LINE])
        raise ConflictingDuplicates(
            f"{label}: lines {lines} give different bars for {first['ticker']} at the same time; fetch it again"
        )
    repeated = good.join(distinct.select(_LINE), on=_LINE, how="anti")[_LINE]
    return rows.with_columns(
        pl.when(pl.col(_LINE).is_in(repeated.implode()))
        .then(pl.lit("repeats an earlier line"))
        .otherwise(pl.col(_RULE))
        .alias(_RULE)
    )


def _bars(rows: pl.DataFrame) -> pl.DataFrame:
    times = rows["window_start"].cast(pl.Datetime("ns", "UTC")).alias("timestamp")
    return pl.DataFrame([times if name == "timestamp" else rows[name] for name in BAR_SCHEMA])


@cache
def _strictly_increasing() -> pl.Expr:
    ticker, time = pl.col("ticker"), pl.col("window_start")
    before = ticker.shift()
    return ((ticker > before) | ((ticker == before) & (time > time.shift()))).slice(1).all()


def _no_lines() -> pl.DataFrame:
    return pl.DataFrame(schema={_LINE: pl.UInt32, _RULE: pl.String})


def _with_raw_lines(bad: pl.DataFrame, path: Path, etag: str) -> pl.DataFrame:
    numbers = bad[_LINE].cast(pl.Int64)
    raw = pl.Series("raw", raw_lines(path, numbers.to_list()), dtype=pl.String)
    etags = pl.Series("etag", [etag] * bad.height, dtype=pl.String)
    return pl.DataFrame([numbers, raw, bad[_RULE], etags])


def raw_lines(path: Path, numbers: list[int]) -> list[str]:
    """The text of those lines (counted from 1, ascending) of a gzipped file."""
    found: list[str] = []
    wanted = iter(numbers)
    target = next(wanted, None)
    if target is None:
        return found
    before, rest = 0, b""
    with gzip.open(path, "rb") as file:
        while target is not None and (chunk := file.read(_CHUNK_BYTES)):
            block = rest + chunk
            complete = block.rfind(b"\n") + 1
            count = block.count(b"\n")
            if before < target <= before + count:
                lines = block[:complete].split(b"\n")
                while target is not None and target <= before + count:
                    found.append(_text(lines[target - before - 1]))
                    target = next(wanted, None)
            before, rest = before + count, block[complete:]
    if target is not None:
        found.append(_text(rest))
    return found


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "replace")


def parquet_bytes(table: pl.DataFrame) -> bytes:
    """The table as a Parquet file (zstd level 3); the same table gives the same bytes."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=3, statistics=True)
    return buffer.getvalue()
