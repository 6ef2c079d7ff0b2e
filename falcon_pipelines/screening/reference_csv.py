"""Reference data from CSV: somebody's own file, or what Finviz exports; the headers of both are understood."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from falcon_pipelines.screening.market import Reference
from falcon_pipelines.screening.reference import FLAGS, NUMBERS, TEXTS, BadReferenceData, reference_of

_NAMES = {
    "ticker": "ticker",
    "symbol": "ticker",
    "sector": "sector",
    "industry": "industry",
    "etf": "etf",
    "about": "about",
    "description": "about",
    "news": "about",
    "market_cap": "market_cap",
    "float_shares": "float_shares",
    "shares_float": "float_shares",
    "short_float": "short_float",
    "float_short": "short_float",
    "p_e": "pe",
    "pe": "pe",
    "eps_growth": "eps_growth",
    "eps_growth_this_year": "eps_growth",
    "dividend_yield": "dividend_yield",
    "earnings_date": "earnings_date",
    "next_earnings": "earnings_date",
    "as_of": "as_of",
}
_DATES = ("earnings_date", "as_of")
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_ABSENT = {"", "-", "n/a", "na", "nan", "null", "none"}
_DATE_SHAPES = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%d %H:%M:%S", "%b %d %Y")


@dataclass(frozen=True)
class CsvReference:
    """A file with `ticker` and any of sector, industry, about, etf (true or false), market_cap, float_shares,
    short_float, pe, eps_growth, dividend_yield, earnings_date (a ticker may have several lines) and as_of, the day a
    line became known."""

    path: Path
    name: str = "csv"

    def known(self, session: date, through: date, tickers: Sequence[str]) -> Reference:
        """What the file says of the session. Raises BadReferenceData naming the line."""
        try:
            text = self.path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise BadReferenceData(f"{self.path}: {reason}; check FALCON_REFERENCE_CSV") from error
        rows = read_reference_csv(text, str(self.path))
        undated = "as_of" not in rows.columns
        notes = (
            (
                "the reference data say not since when they were known (no as_of column): taken as always known",
            )
            if undated
            else ()
        )
        return reference_of(rows, session, through, self.name, notes)


def read_reference_csv(text: str, where: str, millions: Sequence[str] = ()) -> pl.DataFrame:
    """The rows of a CSV text; columns in `millions` are multiplied by a million where they have no suffix.

    Raises BadReferenceData naming `where`, the line and the column.
    """
    reader = csv.reader(io.StringIO(text))
    header = next(reader, None)
    columns = [_NAMES.get(_plain(name)) for name in header or []]
    if "ticker" not in columns:
        raise BadReferenceData(
            f"{where}: line 1: there is no column `ticker`; found {', '.join(header or [])[:200]}"
        )
    rows: list[dict[str, object]] = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        row: dict[str, object] = {}
        for title, name, cell in zip(header or [], columns, cells, strict=False):
            if name is not None and row.get(name) is None:
                row[name] = _value(
                    name, cell.strip(), f"{where}: line {reader.line_num}: {title}", name in millions
                )
        if not row.get("ticker"):
            raise BadReferenceData(f"{where}: line {reader.line_num}: there is no ticker")
        rows.append(row)
    present = [name for name in dict.fromkeys(columns) if name is not None]
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        name: pl.Date
        if name in _DATES
        else pl.Float64
        if name in NUMBERS
        else pl.Boolean
        if name in FLAGS
        else pl.String
        for name in present
    }
    return pl.DataFrame(rows, schema=schema)


def _plain(name: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _value(name: str, cell: str, place: str, millions: bool) -> object:
    if name == "ticker":
        return cell  # NA and NULL are tickers
    if cell.lower() in _ABSENT:
        return None
    if name in TEXTS:
        return cell
    if name in _DATES:
        return _day(cell, place)
    if name in FLAGS:
        return _truth(cell, place)
    return _amount(cell, place, millions)


def _day(cell: str, place: str) -> date:
    for shape in _DATE_SHAPES:
        try:
            return datetime.strptime(cell, shape).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    raise BadReferenceData(f"{place}: {cell!r} is no date; write 2014-06-09")


def _truth(cell: str, place: str) -> bool:
    found = _TRUTH.get(cell.lower())
    if found is None:
        raise BadReferenceData(f"{place}: {cell!r} is neither true nor false")
    return found


def _amount(cell: str, place: str, millions: bool) -> float:
    text = cell.replace(",", "").removeprefix("$").removesuffix("%")
    factor = _SUFFIXES.get(text[-1:].upper(), 0.0)
    try:
        if factor:
            return float(text[:-1]) * factor
        return float(text) * (1e6 if millions else 1.0)
    except ValueError:
        raise BadReferenceData(f"{place}: {cell!r} is no number") from None
