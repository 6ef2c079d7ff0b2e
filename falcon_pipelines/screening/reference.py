"""Sectors, fundamentals and earnings dates: what a source must give, and which source is configured."""

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Protocol

import polars as pl

from falcon_pipelines.errors import InputError
from falcon_pipelines.screening.market import Reference

TEXTS = ("sector", "industry", "about")
FLAGS = ("etf",)
NUMBERS = ("market_cap", "float_shares", "short_float", "pe", "eps_growth", "dividend_yield")
NEEDS = ("sectors", "earnings", "fundamentals")


class BadReferenceData(InputError):
    """Reference data that cannot be read; the message names the file and the line."""


class ReferenceSource(Protocol):
    """Anything that knows sectors, fundamentals or earnings dates."""

    @property
    def name(self) -> str:
        """The source's name, as in FALCON_REFERENCE_SOURCE."""

    def known(self, session: date, through: date, tickers: Sequence[str]) -> Reference:
        """What was known on `session`; earnings after `through` are the next, the others the last.

        `tickers` are those with bars, the most traded first. Raises BadReferenceData, SourceError.
        """


class SnapshotMissing(InputError):
    """A source that only knows the present has nothing of the session asked for."""


def reference_of(
    rows: pl.DataFrame, session: date, through: date, source: str, notes: tuple[str, ...] = ()
) -> Reference:
    """Rows (ticker; any of TEXTS, NUMBERS, FLAGS; earnings_date; as_of) as known on the session, one row per ticker.

    Of several rows of a ticker the one with the newest `as_of` up to the session counts; rows without are taken as
    always known.
    """
    if "as_of" in rows.columns:
        rows = rows.filter(pl.col("as_of").is_null() | (pl.col("as_of") <= session))
        rows = rows.sort("as_of", nulls_last=False, maintain_order=True)
    values = [name for name in (*TEXTS, *NUMBERS, *FLAGS) if name in rows.columns]
    made = [pl.col(name).drop_nulls().last() for name in values]
    if "earnings_date" in rows.columns:
        newest = rows
        if "as_of" in rows.columns:
            # A later statement of the dates replaces earlier ones, which may have been moved since.
            latest = pl.col("as_of").max().over("ticker")
            newest = rows.filter(
                pl.col("as_of").is_null() | (pl.col("as_of") == latest) | (pl.col("earnings_date") <= through)
            )
        when = pl.col("earnings_date")
        dates = newest.group_by("ticker").agg(
            next_earnings=when.filter(when > through).min(), last_earnings=when.filter(when <= through).max()
        )
    else:
        dates = None
    table = rows.group_by("ticker", maintain_order=True).agg(made)
    if dates is not None:
        table = table.join(dates, on="ticker", how="left", maintain_order="left")
    content = table.sort("ticker").write_csv()
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return Reference(table.sort("ticker"), source, f"{source}-{digest}", notes)


def save_snapshot(folder: Path, day: date, rows: pl.DataFrame) -> Path:
    """Keep what a source said on a day; what is kept of a day stays."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{day.isoformat()}.parquet"
    if not target.exists():
        partial = target.with_suffix(".partial")
        rows.write_parquet(partial)
        partial.rename(target)
    return target


def newest_snapshot(folder: Path, until: date) -> tuple[date, pl.DataFrame] | None:
    """The newest kept snapshot of a day up to `until`."""
    days = sorted(date.fromisoformat(path.stem) for path in folder.glob("????-??-??.parquet"))
    usable = [day for day in days if day <= until]
    if not usable:
        return None
    return usable[-1], pl.read_parquet(folder / f"{usable[-1].isoformat()}.parquet")
