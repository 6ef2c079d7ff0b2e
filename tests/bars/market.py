"""Small flat files and stores for the tests of bars."""

import gzip
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from falcon_pipelines.bars.calendar import midnight
from falcon_pipelines.bars.flat_files import CSV_SCHEMA, file_key
from falcon_pipelines.bars.panel import Frequency

HEADER = ",".join(CSV_SCHEMA)
MONDAY = date(2014, 6, 9)
TUESDAY = date(2014, 6, 10)


def start_ns(session: date, minutes: int = 0) -> int:
    """Nanoseconds of a session's midnight, or of some minutes later."""
    return int((midnight(session) + timedelta(minutes=minutes)).timestamp()) * 1_000_000_000


def line(
    ticker: str,
    session: date = MONDAY,
    open_: object = 10,
    close: object = 11,
    high: object = 12,
    low: object = 9,
    volume: object = 1000,
    minutes: int = 0,
) -> str:
    """One row of a flat file."""
    return f"{ticker},{volume},{open_},{close},{high},{low},{start_ns(session, minutes)},5"


def write_lines(
    root: Path, session: date, lines: Sequence[str], frequency: Frequency = "day", header: str = HEADER
) -> Path:
    """Writes one flat file of those lines."""
    path = root / file_key(frequency, session)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join([header, *lines, ""]).encode(), mtime=0))
    return path
