"""What can be wrong with one row of a flat file, whatever the other rows say. Pure functions on whole columns."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars.calendar import session_bounds
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.parquet import values

if TYPE_CHECKING:
    import pyarrow as pa

Mask = NDArray[np.bool_]
OFF_SESSION = "time outside the session's day"
_MINUTE_NS = 60 * 1_000_000_000
_UNPRINTABLE = re.compile('[\\s"\\x00-\\x1f\\x7f\\ufffd]')


def broken_rules(rows: "pa.Table", frequency: Frequency, session: date) -> Mapping[str, Mask]:
    """The rules that some row breaks, each with its rows; a row breaks the first of them that it is in.

    `rows` has CSV_SCHEMA with tickers as a dictionary; what is missing in it is null.
    """
    return {rule: mask for rule, mask in _rules(rows, frequency, session) if mask.any()}


def _rules(rows: "pa.Table", frequency: Frequency, session: date) -> Iterator[tuple[str, Mask]]:
    missing, tickers = _missing(rows), rows["ticker"].combine_chunks()
    yield "unparsable or missing value", missing | _with_names(tickers, lambda name: name == "")
    yield "ticker not printable", _with_names(tickers, lambda name: bool(_UNPRINTABLE.search(name)))
    # What is missing compares as NaN or 0; such a row is out already by the first rule.
    open_, high, low, close, volume = (
        values(rows[name]) for name in ("open", "high", "low", "close", "volume")
    )
    time, transactions = (_filled(rows, name) for name in ("window_start", "transactions"))
    prices = (open_, high, low, close)
    yield "price not positive", ~np.logical_and.reduce([(price > 0) & (price < np.inf) for price in prices])
    yield "high below open, low or close", (high < open_) | (high < low) | (high < close)
    yield "low above open or close", (low > open_) | (low > close)
    yield "volume negative", ~((volume >= 0) & (volume < np.inf))
    yield "transactions negative", transactions < 0
    start, end = (int(moment.timestamp()) * 1_000_000_000 for moment in session_bounds(session))
    if frequency == "day":
        yield OFF_SESSION, time != start
    else:
        yield OFF_SESSION, (time < start) | (time >= end) | (time % _MINUTE_NS != 0)


def _missing(rows: "pa.Table") -> Mask:
    missing = np.zeros(rows.num_rows, dtype=bool)
    for column in rows.columns:
        if column.null_count:
            missing |= values(column.is_null())
    return missing


def _filled(rows: "pa.Table", name: str) -> NDArray[np.int64]:
    column = rows[name]
    return values(column.fill_null(0) if column.null_count else column)


def _with_names(tickers: "pa.DictionaryArray", wanted: Callable[[str], bool]) -> Mask:
    """The rows whose ticker is a wanted one: each name is looked at once."""
    names = tickers.dictionary.to_pylist()
    odd = [code for code, name in enumerate(names) if wanted(name)]
    if not odd:
        return np.zeros(len(tickers), dtype=bool)
    return np.isin(values(tickers.indices.fill_null(-1)), odd)
