"""Who a ticker was on which day: our own security ids with validity intervals.

A ticker is a name on loan: companies are renamed (WMI became WM) and names are given to others (FB, until 2003 and
from 2012). The table has one row per security and interval; the CSV has its columns
`security_id,ticker,first,last,name`: `security_id` is any text of ours that stays with the security, `first` and
`last` are the New York dates it traded as `ticker`, both included, `last` empty while it still does.

What a caller asks for is resolved to segments: a plain ticker means the security that held it last up to the end of
the range, and brings that security's bars under its other names; `FB@2003-03-28` means the one that held it that
day. Tickers that the table does not know stand for themselves.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from falcon_pipelines.bars.csv_tables import read_declared, refuse
from falcon_pipelines.errors import InputError

SECURITY_SCHEMA = {
    "security_id": pl.String,
    "ticker": pl.String,
    "first": pl.Date,
    "last": pl.Date,
    "name": pl.String,
}
REFERENCE = "massive:"
"""How the ids begin that were made from a reference service; those of a person's file are stronger."""
_AT = re.compile(r"(.+)@(\d{4}-\d{2}-\d{2})")
_DAY = timedelta(days=1)


class BadSecuritiesFile(InputError):
    """A file of securities that cannot be used, or contradicts what is known."""


class Segment(NamedTuple):
    """Bars of `ticker` from `first` to `last`, both included, that belong to what is shown as `label`."""

    label: str
    ticker: str
    first: date
    last: date


class Interval(NamedTuple):
    """One row of the table; `last` is date.max while it is open."""

    security_id: str
    ticker: str
    first: date
    last: date


def no_securities() -> pl.DataFrame:
    """An empty table."""
    return pl.DataFrame(schema=SECURITY_SCHEMA)


def read_securities_csv(path: Path) -> pl.DataFrame:
    """The table in a CSV file. Raises BadSecuritiesFile naming the first line that is wrong."""
    table, unparsed = read_declared(path, SECURITY_SCHEMA, BadSecuritiesFile)
    problems = {
        "has no security_id": pl.col("security_id").is_null(),
        "has no ticker": pl.col("ticker").is_null(),
        "has a value that is no date": pl.lit(unparsed),
        "has no first date": pl.col("first").is_null(),
        "ends before it begins": pl.col("last") < pl.col("first"),
    }
    refuse(path, table, problems, BadSecuritiesFile)
    return ordered(table)


def ordered(table: pl.DataFrame) -> pl.DataFrame:
    """The table in its one order."""
    return table.select(*SECURITY_SCHEMA).sort("security_id", "first", "ticker")


def merged(present: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """`present` with all intervals of the securities in `new` replaced by those of `new`.

    What a reference service says gives way to what a person's file says, and older to newer. Raises
    BadSecuritiesFile when two securities then hold one ticker, or one security two, on the same day.
    """
    kept = present.join(new.select("security_id").unique(), on="security_id", how="anti")
    new = new.select(*SECURITY_SCHEMA)
    referred = pl.col("security_id").str.starts_with(REFERENCE)
    stronger = pl.concat([kept.filter(~referred), new.filter(~referred)])
    told = _giving_way(new.filter(referred), stronger)
    older = _giving_way(kept.filter(referred), pl.concat([stronger, told]))
    table = ordered(pl.concat([stronger, told, older]))
    for key, other in (("ticker", "security_id"), ("security_id", "ticker")):
        clash = (
            table.sort(key, "first")
            .with_columns(before=pl.col("last").shift().over(key), follows=pl.col(key) == pl.col(key).shift())
            .filter(pl.col("follows") & (pl.col("before").is_null() | (pl.col("before") >= pl.col("first"))))
        )
        if clash.height:
            row = clash.row(0, named=True)
            raise BadSecuritiesFile(
                f"{key} {row[key]} overlaps another interval on {row['first']} ({other} {row[other]}); "
                "give the earlier one its last date"
            )
    return table


def _giving_way(rows: pl.DataFrame, stronger: pl.DataFrame) -> pl.DataFrame:
    """`rows` without the days on which a stronger row says who held the ticker; of two parts left, the later."""
    claims: dict[str, list[Interval]] = {}
    for claim in intervals(stronger):
        claims.setdefault(claim.ticker, []).append(claim)
    kept = []
    for security_id, ticker, first, last, name in rows.iter_rows():
        begin, end = first, last or date.max
        for claim in claims.get(ticker, ()):
            if claim.first <= begin and claim.last >= begin:
                begin = date.max if claim.last == date.max else claim.last + _DAY
            elif begin < claim.first <= end:
                if claim.last >= end:
                    end = claim.first - _DAY
                else:
                    begin = claim.last + _DAY
        if begin <= end and begin < date.max:
            kept.append((security_id, ticker, begin, None if end == date.max else end, name))
    return pl.DataFrame(kept, schema=SECURITY_SCHEMA, orient="row")


def intervals(table: pl.DataFrame) -> list[Interval]:
    """The table as values, ordered by ticker and date."""
    rows = table.sort("ticker", "first").select("security_id", "ticker", "first", "last").iter_rows()
    return [Interval(security, ticker, first, last or date.max) for security, ticker, first, last in rows]


def security_on(table: pl.DataFrame, ticker: str, day: date) -> str | None:
    """The id of the security that traded as `ticker` that day, None when the table does not know."""
    for interval in intervals(table.filter(ticker=ticker)):
        if interval.first <= day <= interval.last:
            return interval.security_id
    return None


def ticker_of(label: str) -> str:
    """The ticker in what a caller asked for: `FB` of `FB@2003-03-28`."""
    match = _AT.fullmatch(label)
    return match[1] if match else label


def segments(table: pl.DataFrame, wanted: Sequence[str], end: date) -> tuple[Segment, ...]:
    """Which bars belong to each of the labels asked for, seen from `end`."""
    known = intervals(table)
    return tuple(segment for label in wanted for segment in _segments_of(known, label, end))


def all_segments(table: pl.DataFrame, end: date) -> tuple[Segment, ...]:
    """The segments of every ticker in the table, seen from `end`: each security under its last ticker.

    Where several held one ticker last, the newest known one has the plain label and the others a day of theirs, as
    `FB@2003-03-28`.
    """
    known = [interval for interval in intervals(table) if interval.first <= end]
    spans = [*known, *_gaps(known)]
    by_security: dict[str, list[Interval]] = {}
    for span in spans:
        by_security.setdefault(span.security_id, []).append(span)
    last_of = {name: max(held, key=lambda span: span.first) for name, held in by_security.items()}
    holder: dict[str, Interval] = {}
    names = {interval.security_id for interval in known}
    for last in sorted(last_of.values(), key=lambda span: (span.security_id in names, span.first)):
        holder[last.ticker] = last
    found = []
    for name, held in by_security.items():
        last = last_of[name]
        day = last.last if last.last < date.max else last.first
        label = last.ticker if holder[last.ticker] == last else f"{last.ticker}@{day}"
        found += [Segment(label, span.ticker, span.first, span.last) for span in held]
    return tuple(found)


def _segments_of(known: list[Interval], label: str, end: date) -> list[Segment]:
    match = _AT.fullmatch(label)
    ticker = match[1] if match else label
    held = [interval for interval in known if interval.ticker == ticker]
    if not held:
        if match:
            raise InputError(f"{label}: nothing is known of who was {ticker} when; ask for plain {ticker}")
        return [Segment(label, label, date.min, date.max)]
    if match:
        day = date.fromisoformat(match[2])
        spans = [*held, *_gaps(held)]
        chosen = next(span for span in spans if span.first <= day <= span.last)
    else:
        chosen = max(
            (span for span in held if span.first <= end), default=held[0], key=lambda span: span.first
        )
    mine = [span for span in known if span.security_id == chosen.security_id] or [chosen]
    return [Segment(label, span.ticker, span.first, span.last) for span in mine]


def _gaps(known: Iterable[Interval]) -> list[Interval]:
    """The times a known ticker belongs to no known security, each as a security of its own."""
    by_ticker: dict[str, list[Interval]] = {}
    for interval in known:
        by_ticker.setdefault(interval.ticker, []).append(interval)
    gaps = []
    for ticker, held in by_ticker.items():
        free_from = date.min
        for interval in sorted(held, key=lambda span: span.first):
            if interval.first > free_from:
                gaps.append(Interval(f"?{ticker}-{free_from}", ticker, free_from, interval.first - _DAY))
            free_from = interval.last if interval.last == date.max else interval.last + _DAY
        if free_from < date.max:
            gaps.append(Interval(f"?{ticker}-{free_from}", ticker, free_from, date.max))
    return gaps
