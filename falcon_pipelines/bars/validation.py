"""Checks a flat file row by row: good bars on one side, quarantined lines with their rule on the other.

A file that cannot be trusted as a whole is an error instead. Prices are never altered here, however odd:
suspicious bars that could be real are the business of `falcon_pipelines.bars.quality`.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import IO, cast

import polars as pl
from isal import igzip, isal_zlib

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

QUARANTINE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "line": pl.Int64,
    "raw": pl.String,
    "rule": pl.String,
    "etag": pl.String,
}

_MINUTE_NS = 60 * 1_000_000_000
_LINE = "line"
_FIRST_LINE = 2
"""Line 1 is the header; without quoting, each row is one line."""
_OFF_SESSION = "time outside the session's day"
_RULE = "rule"
_CHUNK_BYTES = 1 << 20
_BROKEN = cast("tuple[type[Exception], ...]", (OSError, EOFError, isal_zlib.error))
_BLOCK_BYTES = 4 << 20


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


class OutOfOrder(Exception):
    """The file's rows are not strictly in order: it cannot be checked a block at a time."""


class FlatFileCheck:
    """A gzipped flat file on its way through the checks, a block at a time, so that memory stays small.

    `label` names the file in messages. Read `good` to its end; then `quarantined` and `rows_in` are complete.
    """

    def __init__(self, path: Path, frequency: Frequency, session: date, etag: str, label: str) -> None:
        self.rows_in = 0
        self._path = path
        self._session = session
        self._etag = etag
        self._label = label
        self._rules = _rules(frequency, session)
        self._bad: list[pl.DataFrame] = []
        self._strays = 0
        self._first_stray: int | None = None

    @property
    def quarantined(self) -> pl.DataFrame:
        """The bad lines so far, with QUARANTINE_SCHEMA."""
        return pl.concat([pl.DataFrame(schema=QUARANTINE_SCHEMA), *self._bad])

    def good(self) -> Iterator[pl.DataFrame]:
        """The good bars with BAR_SCHEMA, in order.

        Raises OutOfOrder as soon as they are not, and a subtype of BadFlatFile when the whole file is unusable.
        """
        last: tuple[str, int] | None = None
        for rows, ordered in self._checked():
            tickers, times = rows["ticker"], rows["window_start"]
            if not ordered or (last is not None and (tickers[0], times[0]) <= last):
                raise OutOfOrder
            last = tickers[-1], times[-1]
            yield _bars(rows)
        self._require_usable(last is not None)

    def whole(self) -> CheckedFile:
        """The file in memory, sorted, repeated lines quarantined. Raises BadFlatFile."""
        parts = [rows for rows, _ in self._checked()]
        self._require_usable(bool(parts))
        rows = pl.concat(parts)
        kept = _without_repeats(rows, self._label)
        repeated = rows.join(kept, on=_LINE, how="anti")[_LINE].sort()
        if len(repeated):
            raw = dict(zip(repeated, raw_lines(self._path, repeated.to_list()), strict=True))
            self._quarantine([(line, text, "repeats an earlier line") for line, text in raw.items()])
        return CheckedFile(
            good=_bars(kept.sort("ticker", "window_start")),
            quarantined=self.quarantined.sort(_LINE),
            rows_in=self.rows_in,
        )

    def _checked(self) -> Iterator[tuple[pl.DataFrame, bool]]:
        """The usable rows of each block that has any, with their line numbers, and whether they are in order."""
        line = _FIRST_LINE
        for block in _blocks(self._path, self._label):
            rows = _parsed(block, line)
            line += rows.height
            self.rows_in += rows.height
            clean, ordered = rows.select(
                clean=~pl.any_horizontal(*self._rules.values()).any(), ordered=_strictly_increasing()
            ).row(0)
            if not clean:
                rows = self._without_bad(rows, block)
                ordered = not rows.is_empty() and rows.select(_strictly_increasing()).item()
            if not rows.is_empty():
                yield rows, bool(ordered)

    def _without_bad(self, rows: pl.DataFrame, block: bytes) -> pl.DataFrame:
        broken = pl.coalesce(pl.when(wrong).then(pl.lit(rule)) for rule, wrong in self._rules.items())
        judged = rows.with_columns(broken.alias(_RULE))
        bad = judged.filter(pl.col(_RULE).is_not_null())
        strays = bad.filter(pl.col(_RULE) == _OFF_SESSION)["window_start"]
        self._strays += len(strays)
        if self._first_stray is None and len(strays):
            self._first_stray = strays[0]
        lines = block.split(b"\n")
        start = int(rows[_LINE][0])
        self._quarantine(
            [(line, _text(lines[line - start]), rule) for line, rule in bad.select(_LINE, _RULE).rows()]
        )
        return judged.filter(pl.col(_RULE).is_null()).drop(_RULE)

    def _quarantine(self, lines: list[tuple[int, str, str]]) -> None:
        rows = [(*line, self._etag) for line in lines]
        self._bad.append(pl.DataFrame(rows, schema=QUARANTINE_SCHEMA, orient="row"))

    def _require_usable(self, any_good: bool) -> None:
        if self._strays * 2 > self.rows_in and self._first_stray is not None:
            moment = pl.Series([self._first_stray]).cast(pl.Datetime("ns", "UTC"))
            found = moment.dt.convert_time_zone("America/New_York")[0].isoformat()
            raise WrongSession(
                f"{self._label}: {self._strays} of {self.rows_in} rows are not of session {self._session}; "
                f"the first is of {found}"
            )
        if self.rows_in == 0:
            raise NoGoodRows(f"{self._label}: the file has no rows")
        if not any_good:
            raise NoGoodRows(f"{self._label}: none of its {self.rows_in} rows is usable")


def _blocks(path: Path, label: str) -> Iterator[bytes]:
    """The file's text after its header in blocks of whole lines; the next one is unpacked meanwhile."""
    expected = ",".join(CSV_SCHEMA)
    try:
        with _unzipped(path) as file, ThreadPoolExecutor(1) as ahead:
            header = file.readline(10_000).decode("utf-8", "replace").rstrip("\r\n")
            if header != expected:
                # A cut file may end in its header: reading on tells.
                file.read()
                raise WrongColumns(f"{label}: columns are {header[:200]!r}, expected {expected!r}")
            rest = b""
            coming = ahead.submit(file.read, _BLOCK_BYTES)
            while chunk := coming.result():
                coming = ahead.submit(file.read, _BLOCK_BYTES)
                text = rest + chunk
                complete = text.rfind(b"\n") + 1
                rest = text[complete:]
                if complete:
                    yield text[:complete]
            if rest:
                yield rest + b"\n"
    except _BROKEN as error:
        raise UnreadableFile(f"{label}: not a complete gzip file ({error}); fetch it again") from error


def _unzipped(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", igzip.open(path, "rb"))  # type: ignore[no-untyped-call]


def _parsed(block: bytes, first_line: int) -> pl.DataFrame:
    """All rows of a block in order with their line number; one that does not parse has nulls."""
    try:
        rows = pl.read_csv(
            block,
            has_header=False,
            schema=CSV_SCHEMA,
            quote_char=None,
            row_index_name=_LINE,
            row_index_offset=first_line,
        )
        if rows.height == block.count(b"\n"):
            return rows
    except pl.exceptions.PolarsError:
        pass
    lines = pl.Series("raw", block.decode("utf-8", "replace").split("\n")[:-1], dtype=pl.String)
    fields = lines.str.strip_suffix("\r").to_frame().select(pl.col("raw").str.split(",").alias("fields"))
    complete = pl.col("fields").list.len() == len(CSV_SCHEMA)
    rows = fields.select(
        pl.when(complete)
        .then(pl.col("fields").list.get(position, null_on_oob=True))
        .replace("", None)
        .cast(dtype, strict=False)
        .alias(name)
        for position, (name, dtype) in enumerate(CSV_SCHEMA.items())
    )
    return rows.with_row_index(_LINE, offset=first_line)


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


def _without_repeats(rows: pl.DataFrame, label: str) -> pl.DataFrame:
    """The rows without those that repeat an earlier one exactly. Raises ConflictingDuplicates."""
    key = ["ticker", "window_start"]
    distinct = rows.unique(subset=list(CSV_SCHEMA), keep="first", maintain_order=True)
    conflicts = distinct.filter(pl.struct(key).is_duplicated())
    if not conflicts.is_empty():
        first = conflicts.row(0, named=True)
        same = conflicts.filter(ticker=first["ticker"], window_start=first["window_start"])
        lines = ", ".join(str(line) for line in same[_LINE])
        raise ConflictingDuplicates(
            f"{label}: lines {lines} give different bars for {first['ticker']} at the same time; fetch it again"
        )
    return distinct


def _bars(rows: pl.DataFrame) -> pl.DataFrame:
    times = rows["window_start"].cast(pl.Datetime("ns", "UTC")).alias("timestamp")
    return pl.DataFrame([times if name == "timestamp" else rows[name] for name in BAR_SCHEMA])


@cache
def _strictly_increasing() -> pl.Expr:
    ticker, time = pl.col("ticker"), pl.col("window_start")
    before = ticker.shift()
    return ((ticker > before) | ((ticker == before) & (time > time.shift()))).slice(1).all()


def raw_lines(path: Path, numbers: list[int]) -> list[str]:
    """The text of those lines (counted from 1, ascending) of a gzipped file."""
    found: list[str] = []
    wanted = iter(numbers)
    target = next(wanted, None)
    if target is None:
        return found
    before, rest = 0, b""
    with _unzipped(path) as file:
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
