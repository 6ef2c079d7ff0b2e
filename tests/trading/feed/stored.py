"""Bar stores with minutes: real ones of the public sample, and small made-up ones."""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from sqlalchemy import Engine

from falcon_pipelines.bars.calendar import NEW_YORK, midnight
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_session
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.trading.feed.bars import MinuteBar
from tests.bars.market import write_lines


def real_minutes(lean: Path, ticker: str) -> list[MinuteBar]:
    """All minutes of a ticker in the sample, pre- and post-market included, in order."""
    found = []
    for path in sorted((lean / "minute" / ticker.lower()).glob("*_trade.zip")):
        day = date.fromisoformat(f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]}")
        start = int(midnight(day).timestamp())
        with zipfile.ZipFile(path) as archive:
            text = archive.read(archive.namelist()[0]).decode()
        for milliseconds, *prices, volume in csv.reader(io.StringIO(text)):
            open_, high, low, close = (int(price) / 10_000 for price in prices)
            found.append(
                MinuteBar(ticker, start + int(milliseconds) // 1_000, open_, high, low, close, float(volume))
            )
    return found


def flat_files(folder: Path, bars: Iterable[MinuteBar]) -> tuple[DirectorySource, list[date]]:
    """The bars as a folder of minute flat files, and its sessions."""
    days: defaultdict[date, list[MinuteBar]] = defaultdict(list)
    for bar in bars:
        days[bar.starts_at.astimezone(NEW_YORK).date()].append(bar)
    for day, of_day in days.items():
        lines = [
            f"{b.ticker},{b.volume!r},{b.open!r},{b.close!r},{b.high!r},{b.low!r},{b.time}000000000,1"
            for b in sorted(of_day, key=lambda b: (b.ticker, b.time))
        ]
        write_lines(folder, day, lines, "minute")
    return DirectorySource(folder), sorted(days)


def store_of(root: Path, engine: Engine, folder: Path, bars: Iterable[MinuteBar]) -> BarStore:
    """A store at `root` with the bars as published minutes."""
    store = BarStore(root, engine)
    source, sessions = flat_files(folder, bars)
    for session in sessions:
        ingest_session(source, store, "minute", session)
    return store
