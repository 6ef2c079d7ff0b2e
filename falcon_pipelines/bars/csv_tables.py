"""Reads a small CSV of declared columns and names its first wrong line. What is wrong is the caller's to say."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from falcon_pipelines.errors import InputError

LINE = "line"


def read_declared(
    path: Path, schema: Mapping[str, pl.DataType | type[pl.DataType]], error: type[InputError]
) -> tuple[pl.DataFrame, pl.Series]:
    """The columns of `schema` with their types plus `line`; and which rows have a value that does not parse.

    Columns may be in any order and others between them. Dates are ISO 8601. Raises `error`.
    """
    try:
        raw = pl.read_csv(
            path, infer_schema=False, empty_string_is_null=True, row_index_name=LINE, row_index_offset=2
        )
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except (OSError, pl.exceptions.PolarsError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise error(f"{path}: cannot be read as CSV ({reason})") from problem
    absent = [name for name in schema if name not in raw.columns]
    if absent:
        raise error(f"{path}: lacks the columns {', '.join(absent)}; expected {','.join(schema)}")
    raw = raw.select(LINE, *(pl.col(name).str.strip_chars() for name in schema))
    table = raw.with_columns(
        pl.col(name).str.to_date("%Y-%m-%d", strict=False)
        if dtype == pl.Date
        else pl.col(name).cast(dtype, strict=False)
        for name, dtype in schema.items()
    )
    lost = [raw[name].is_not_null() & table[name].is_null() for name in schema]
    return table, pl.DataFrame({str(n): flags for n, flags in enumerate(lost)}).select(
        pl.any_horizontal(pl.all()).alias("unparsed")
    )["unparsed"]


def refuse(path: Path, table: pl.DataFrame, problems: Mapping[str, pl.Expr], error: type[InputError]) -> None:
    """Raises `error` for the first line of which a problem is true; null counts as false."""
    for problem, wrong in problems.items():
        lines = table.filter(wrong.fill_null(value=False))[LINE]
        if len(lines):
            raise error(f"{path}: line {lines[0]} {problem}")
