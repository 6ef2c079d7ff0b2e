"""Tickers as people type them."""

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute


def is_ticker(column: InstrumentedAttribute[Any], typed: str) -> ColumnElement[bool]:
    """Whether a column holds the ticker as typed or in capitals; some share classes have a small letter: BACpL."""
    return column.in_({typed, typed.upper()})
