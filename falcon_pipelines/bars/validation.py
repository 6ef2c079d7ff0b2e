"""Checks a flat file row by row: good bars on one side, quarantined lines with their rule on the other.

A file that cannot be trusted as a whole is refused instead. Prices are never altered here, however odd:
suspicious bars that could be real are the business of `falcon_pipelines.bars.quality`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from falcon_pipelines.bars import flat_text
from falcon_pipelines.bars.flat_files import CSV_SCHEMA
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.parquet import arrow_table, table, values
from falcon_pipelines.bars.refusals import (
    EVIDENCE_ROWS,
    BadFlatFile,
    ConflictingDuplicates,
    NoGoodRows,
    UnreadableFile,
    WrongColumns,
    WrongSession,
)
from falcon_pipelines.bars.row_rules import OFF_SESSION, Mask, broken_rules

if TYPE_CHECKING:
    import pyarrow as pa

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

Lines = range | NDArray[np.int64]
_LINE = "line"
_RULE = "rule"


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
        self._frequency = frequency
        self._bad: list[pl.DataFrame] = []
        self._strays = 0
        self._first_strays: list[dict[str, Any]] = []

    @property
    def quarantined(self) -> pl.DataFrame:
        """The bad lines so far, with QUARANTINE_SCHEMA."""
        return pl.concat([pl.DataFrame(schema=QUARANTINE_SCHEMA), *self._bad])

    def good(self) -> Iterator["pa.Table"]:
        """The good bars with BAR_SCHEMA, in order, tickers as a dictionary.

        Raises OutOfOrder as soon as they are not, and a subtype of BadFlatFile when the whole file is unusable.
        """
        last: tuple[str, int] | None = None
        for rows, _ in self._checked():
            first, final = _keys(rows)
            if (last is not None and first <= last) or not _is_ordered(rows):
                raise OutOfOrder
            last = final
            yield _bars(rows)
        self._require_usable(last is not None)

    def whole(self) -> CheckedFile:
        """The file in memory, sorted, repeated lines quarantined. Raises BadFlatFile."""
        parts = [
            table(rows).with_columns(pl.Series(_LINE, lines, pl.Int64)) for rows, lines in self._checked()
        ]
        self._require_usable(bool(parts))
        rows = pl.concat(parts)
        kept = _without_repeats(rows, self._label)
        repeated = rows.join(kept, on=_LINE, how="anti")[_LINE].sort().to_list()
        if repeated:
            raw = flat_text.raw_lines(self._path, repeated)
            self._quarantine(
                [(n, text, "repeats an earlier line") for n, text in zip(repeated, raw, strict=True)]
            )
        return CheckedFile(
            good=table(_bars(arrow_table(kept.sort("ticker", "window_start").drop(_LINE)))),
            quarantined=self.quarantined.sort(_LINE),
            rows_in=self.rows_in,
        )

    def refused(self, error: BadFlatFile) -> Iterator[pl.DataFrame]:
        """Every line of a file that `error` refuses and that can be read, with QUARANTINE_SCHEMA.

        Lines that are bad by themselves have their own rule, the others that of the refusal.
        """
        own = self.quarantined.select(_LINE, pl.col(_RULE).alias("own"))
        line = flat_text.FIRST_LINE
        try:
            for block in flat_text.blocks(self._path, any_columns=True):
                raw = pl.DataFrame({"raw": flat_text.split(block)}, schema={"raw": pl.String})
                lines = raw.with_row_index(_LINE, line).with_columns(pl.col(_LINE).cast(pl.Int64))
                line += lines.height
                yield lines.join(own, on=_LINE, how="left", maintain_order="left").select(
                    _LINE,
                    "raw",
                    pl.coalesce("own", pl.lit(error.rule)).alias(_RULE),
                    pl.lit(self._etag).alias("etag"),
                )
        except flat_text.BrokenText:
            return

    def _checked(self) -> Iterator[tuple["pa.Table", Lines]]:
        """The usable rows of each block that has any, and the numbers of their lines."""
        first = flat_text.FIRST_LINE
        for block in self._blocks():
            rows = flat_text.parsed(block)
            if rows is None:
                rows = arrow_table(flat_text.parsed_by_line(block))
            after = first + rows.num_rows
            self.rows_in += rows.num_rows
            lines: Lines = range(first, after)
            broken = broken_rules(rows, self._frequency, self._session)
            if broken:
                rows, lines = self._without_bad(rows, broken, first, block)
            first = after
            if rows.num_rows:
                yield rows, lines

    def _blocks(self) -> Iterator[flat_text.Block]:
        try:
            yield from flat_text.blocks(self._path)
        except flat_text.BrokenText as error:
            raise UnreadableFile(
                f"{self._label}: not a complete gzip file ({error}); fetch it again",
                evidence=[{"problem": str(error), "rows read before": self.rows_in}],
            ) from error
        except flat_text.OtherColumns as error:
            expected, found = ",".join(CSV_SCHEMA), str(error)
            raise WrongColumns(
                f"{self._label}: columns are {found!r}, expected {expected!r}",
                evidence=[{"columns": found, "expected": expected}],
            ) from error

    def _without_bad(
        self, rows: "pa.Table", broken: Mapping[str, Mask], first: int, block: flat_text.Block
    ) -> tuple["pa.Table", Lines]:
        """The usable rows and their lines; the others are quarantined under the first rule they break."""
        unjudged = np.ones(rows.num_rows, dtype=bool)
        bad: list[tuple[int, str, str]] = []
        for rule, mask in broken.items():
            found = np.flatnonzero(mask & unjudged)
            unjudged[found] = False
            text = flat_text.lines_at(block, found)
            bad += [(first + int(n), raw, rule) for n, raw in zip(found, text, strict=True)]
            if rule == OFF_SESSION:
                self._note_strays(rows.take(pl.Series(found).to_arrow()), found + first)
        self._quarantine(sorted(bad))
        return rows.filter(pl.Series(unjudged).to_arrow()), np.flatnonzero(unjudged) + first

    def _note_strays(self, rows: "pa.Table", lines: NDArray[np.int64]) -> None:
        self._strays += rows.num_rows
        room = EVIDENCE_ROWS - len(self._first_strays)
        shown = table(rows.slice(0, room)).with_columns(pl.Series(_LINE, lines[:room]))
        self._first_strays += shown.select(_LINE, "ticker", _new_york_time()).to_dicts()

    def _quarantine(self, lines: list[tuple[int, str, str]]) -> None:
        rows = [(*line, self._etag) for line in lines]
        self._bad.append(pl.DataFrame(rows, schema=QUARANTINE_SCHEMA, orient="row"))

    def _require_usable(self, any_good: bool) -> None:
        if self._strays * 2 > self.rows_in:
            raise WrongSession(
                f"{self._label}: {self._strays} of {self.rows_in} rows are not of session {self._session}; "
                f"the first is of {self._first_strays[0]['time']}",
                self._strays,
                self._strays / self.rows_in,
                0.5,
                self._first_strays,
            )
        if self.rows_in == 0:
            raise NoGoodRows(f"{self._label}: the file has no rows", 0, 0)
        if not any_good:
            raise NoGoodRows(
                f"{self._label}: none of its {self.rows_in} rows is usable",
                self.rows_in,
                evidence=self.quarantined.head(EVIDENCE_ROWS).to_dicts(),
            )


def _keys(rows: "pa.Table") -> tuple[tuple[str, int], tuple[str, int]]:
    """Ticker and time of the first and the last row."""
    tickers, times = rows["ticker"], rows["window_start"]
    return (tickers[0].as_py(), times[0].as_py()), (tickers[-1].as_py(), times[-1].as_py())


def _is_ordered(rows: "pa.Table") -> bool:
    """Whether a block's rows are strictly in order of ticker and time."""
    tickers = rows["ticker"].combine_chunks()
    codes = values(tickers.indices)
    same = codes[1:] == codes[:-1]
    begins = np.flatnonzero(np.concatenate([[True], ~same]))
    names = pl.Series(tickers.dictionary.take(tickers.indices.take(pl.Series(begins).to_arrow())))
    later = np.diff(values(rows["window_start"])) > 0
    return bool((later | ~same).all() and (names.slice(1) > names.head(-1)).all())


def _without_repeats(rows: pl.DataFrame, label: str) -> pl.DataFrame:
    """The rows without those that repeat an earlier one exactly. Raises ConflictingDuplicates."""
    key = ["ticker", "window_start"]
    distinct = rows.unique(subset=list(CSV_SCHEMA), keep="first", maintain_order=True)
    conflicts = distinct.filter(pl.struct(key).is_duplicated())
    if not conflicts.is_empty():
        first = conflicts.row(0, named=True)
        same = conflicts.filter(ticker=first["ticker"], window_start=first["window_start"])
        lines = ", ".join(str(line) for line in same[_LINE])
        shown = conflicts.sort(*key, _LINE).head(EVIDENCE_ROWS)
        raise ConflictingDuplicates(
            f"{label}: lines {lines} give different bars for {first['ticker']} at the same time; fetch it again",
            conflicts.height,
            evidence=shown.select(_LINE, _new_york_time(), pl.exclude(_LINE, "window_start")).to_dicts(),
        )
    return distinct


def _new_york_time() -> pl.Expr:
    moment = pl.col("window_start").cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("America/New_York")
    return moment.dt.to_string("%Y-%m-%dT%H:%M:%S%:z").alias("time")


def _bars(rows: "pa.Table") -> "pa.Table":
    import pyarrow as pa

    times = rows["window_start"].cast(pa.timestamp("ns", "UTC"))
    return pa.table({name: times if name == "timestamp" else rows[name] for name in BAR_SCHEMA})
