"""Real daily bars for tests, read from the folder of the `lean` fixture and adjusted with its factor files."""

import csv
import io
import zipfile
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from falcon_pipelines.bars.panel import FIELDS, Panel


def real_panel(lean: Path, ticker: str, start: date, end: date) -> Panel:
    """Daily bars of one ticker, prices adjusted for splits and dividends (back from 2021-03-31)."""
    with (lean / "factor_files" / f"{ticker.lower()}.csv").open() as file:
        factors = [(row[0], float(row[1]), float(row[2])) for row in csv.reader(file)]
    with zipfile.ZipFile(lean / "daily" / f"{ticker.lower()}.zip") as archive:
        text = archive.read(archive.namelist()[0]).decode("ascii")
    times, rows = [], []
    for stamp, *values in csv.reader(io.StringIO(text)):
        day = date.fromisoformat(stamp[:8])
        if start <= day <= end:
            _, price, split = next(row for row in factors if row[0] >= stamp[:8])
            prices = [float(value) / 10_000 * price * split for value in values[:4]]
            rows.append([*prices, float(values[4])])
            midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York"))
            times.append(np.datetime64(int(midnight.timestamp()), "s"))
    table = np.array(rows)
    return Panel(
        timestamps=np.array(times, dtype="datetime64[ns]"),
        tickers=(ticker,),
        fields={name: table[:, [i]].copy() for i, name in enumerate(FIELDS)},
        frequency="day",
        version="lean",
        adjust="all",
        as_of=end,
    )
