"""Corporate actions: splits, dividends and delistings as a table, and reading it from a CSV file.

The CSV has the columns `ticker,kind,ex_date,ratio,amount,pay_date`, in any order:

- `kind` is `split`, `dividend` or `delisting`; `ex_date` is the first New York date without the right: the first
  session at the new share count, the first without the dividend, the first on which it no longer trades.
- `ratio`, for a split: new shares per old share (4 for 4-for-1, 0.1 for a 1-for-10 reverse split).
- `amount`, for a dividend: US dollars per share as held on the ex-date, that is after a split of that date; for a
  delisting, optionally, what each share was paid.
- `pay_date`, for a dividend, optionally: when the cash arrives.

How actions change prices is in `falcon_pipelines.bars.adjust`.
"""

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, get_args

import polars as pl

from falcon_pipelines.bars.csv_tables import read_declared, refuse
from falcon_pipelines.errors import InputError

ActionKind = Literal["split", "dividend", "delisting"]
ACTION_KINDS = get_args(ActionKind)

ACTION_SCHEMA = {
    "ticker": pl.String,
    "kind": pl.String,
    "ex_date": pl.Date,
    "ratio": pl.Float64,
    "amount": pl.Float64,
    "pay_date": pl.Date,
}
_KEY = ["ticker", "kind", "ex_date"]


class BadActionsFile(InputError):
    """A file of corporate actions that cannot be used."""


@dataclass(frozen=True)
class CorporateAction:
    """One event of one ticker; `ratio` only for splits, `amount` (US dollars per share) not for splits."""

    ticker: str
    kind: ActionKind
    ex_date: date
    ratio: float | None = None
    amount: float | None = None
    pay_date: date | None = None


def no_actions() -> pl.DataFrame:
    """An empty table of actions."""
    return pl.DataFrame(schema=ACTION_SCHEMA)


def actions_table(actions: list[CorporateAction]) -> pl.DataFrame:
    """Actions as a table with ACTION_SCHEMA, in its order."""
    rows = [tuple(getattr(action, name) for name in ACTION_SCHEMA) for action in actions]
    return ordered(pl.DataFrame(rows, schema=ACTION_SCHEMA, orient="row"))


def as_actions(table: pl.DataFrame) -> tuple[CorporateAction, ...]:
    """A table with ACTION_SCHEMA as values."""
    return tuple(CorporateAction(*row) for row in table.select(*ACTION_SCHEMA).iter_rows())


def ordered(table: pl.DataFrame) -> pl.DataFrame:
    """The table in its one order: by ticker, date, kind."""
    return table.select(*ACTION_SCHEMA).sort("ticker", "ex_date", "kind")


def file_etag(path: Path) -> str:
    """What tells two contents of a file apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_actions_csv(path: Path) -> pl.DataFrame:
    """The actions of a CSV file, with ACTION_SCHEMA, ordered.

    Raises BadActionsFile naming the first line that is wrong.
    """
    table, unparsed = read_declared(path, ACTION_SCHEMA, BadActionsFile)
    kind = pl.col("kind")
    problems = {
        "has no ticker": pl.col("ticker").is_null(),
        "has an unknown kind (split, dividend or delisting)": ~kind.is_in(ACTION_KINDS).fill_null(
            value=False
        ),
        "has a value that is no number or no date": pl.lit(unparsed),
        "has no ex_date": pl.col("ex_date").is_null(),
        "is a split without a positive ratio": (kind == "split") & ~_positive("ratio"),
        "is a dividend without a positive amount": (kind == "dividend") & ~_positive("amount"),
        "repeats an earlier action": pl.struct(_KEY).is_duplicated() & ~pl.struct(_KEY).is_first_distinct(),
    }
    refuse(path, table, problems, BadActionsFile)
    return ordered(table)


def _positive(name: str) -> pl.Expr:
    return (pl.col(name).is_finite() & (pl.col(name) > 0)).fill_null(value=False)


def merged(present: pl.DataFrame, new: pl.DataFrame, since: date | None = None) -> pl.DataFrame:
    """`present` with the actions of the tickers in `new` replaced by those of `new`, ordered.

    With `since`, actions with an earlier ex-date stay: `new` knows nothing of them.
    """
    named = pl.col("ticker").is_in(new["ticker"].unique().implode())
    replaced = named if since is None else named & (pl.col("ex_date") >= since)
    return ordered(pl.concat([present.filter(~replaced), new.select(*ACTION_SCHEMA)]))
