"""Bars for the tests of strategies: real ones of the LEAN data, and made ones of known shape."""

import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from falcon_pipelines.bars.panel import FIELDS, Panel

NEW_YORK = ZoneInfo("America/New_York")


def new_york_midnights(days: list[date]) -> np.ndarray:
    """Start of each session's day bar in UTC."""
    starts = [datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp() for day in days]
    return (np.array(starts) * 1e9).astype("int64").astype("datetime64[ns]")


def weekdays(count: int, start: date = date(2020, 1, 6)) -> list[date]:
    """So many Mondays to Fridays."""
    days = (start + timedelta(days=offset) for offset in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def day_panel(
    closes: np.ndarray | list[float], start: date = date(2020, 1, 6), **fields: np.ndarray
) -> Panel:
    """Day bars with these closes (T,) or (T, N); the other fields follow the close unless given."""
    close = np.asarray(closes, dtype=float)
    close = close[:, None] if close.ndim == 1 else close
    values = {
        name: np.asarray(fields.get(name, close), dtype=float).reshape(close.shape) for name in FIELDS[:4]
    }
    values["close"] = close
    values["volume"] = np.asarray(fields.get("volume", np.full(close.shape, 1e6)), dtype=float).reshape(
        close.shape
    )
    return Panel(
        timestamps=new_york_midnights(weekdays(len(close), start)),
        tickers=tuple(f"T{number}" for number in range(close.shape[1])),
        fields=values,
        frequency="day",
        version="test",
        synthetic=True,
    )


def random_day_panel(bars: int, tickers: int = 2, seed: int = 0, gaps: float = 0.0) -> Panel:
    """A random walk with plausible highs, lows and volumes; `gaps` is the share of halted days."""
    random = np.random.default_rng(seed)
    shape = (bars, tickers)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, shape), axis=0))
    open_ = close * np.exp(random.normal(0, 0.01, shape))
    high = np.maximum(open_, close) * (1 + np.abs(random.normal(0, 0.005, shape)))
    low = np.minimum(open_, close) * (1 - np.abs(random.normal(0, 0.005, shape)))
    volume = np.round(random.lognormal(13, 0.6, shape))
    halted = random.random(shape) < gaps
    fields = {"open": open_, "high": high, "low": low, "volume": volume}
    for values in (close, *fields.values()):
        values[halted] = np.nan
    return day_panel(close, **fields)


def minute_panel(
    sessions: list[date], bar_minutes: int = 1, bars_per_session: int | None = None, seed: int = 0
) -> Panel:
    """Regular-session bars of one ticker, a random walk with small tick noise."""
    random = np.random.default_rng(seed)
    per_session = bars_per_session or 390 // bar_minutes
    starts = [
        datetime(day.year, day.month, day.day, 9, 30, tzinfo=NEW_YORK).timestamp() + 60 * bar_minutes * index
        for day in sessions
        for index in range(per_session)
    ]
    count = len(starts)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.002, (count, 1)), axis=0))
    open_ = close * np.exp(random.normal(0, 0.001, (count, 1)))
    return Panel(
        timestamps=(np.array(starts) * 1e9).astype("int64").astype("datetime64[ns]"),
        tickers=("M0",),
        fields={
            "open": open_,
            "high": np.maximum(open_, close) * 1.0005,
            "low": np.minimum(open_, close) * 0.9995,
            "close": close,
            "volume": np.round(random.lognormal(9, 0.5, (count, 1))),
        },
        frequency="minute",
        version="test",
        synthetic=True,
    )


def lean_day_panel(lean: Path, ticker: str, start: date, end: date) -> Panel:
    """Unadjusted day bars of one ticker."""
    with zipfile.ZipFile(lean / "daily" / f"{ticker}.zip") as archive:
        rows = [line.split(",") for line in archive.read(archive.namelist()[0]).decode().splitlines()]
    by_day = {date(int(row[0][:4]), int(row[0][4:6]), int(row[0][6:8])): row[1:6] for row in rows}
    days = [day for day in sorted(by_day) if start <= day <= end]
    table = np.array([[float(value) for value in by_day[day]] for day in days])
    table[:, :4] /= 10_000
    return Panel(
        timestamps=new_york_midnights(days),
        tickers=(ticker.upper(),),
        fields={name: table[:, [column]] for column, name in enumerate(FIELDS)},
        frequency="day",
        version="lean",
    )


def lean_minute_panel(lean: Path, ticker: str, session: date) -> Panel:
    """Minute bars of one ticker and day, pre- and post-market included."""
    with zipfile.ZipFile(lean / "minute" / ticker / f"{session:%Y%m%d}_trade.zip") as archive:
        rows = [line.split(",") for line in archive.read(archive.namelist()[0]).decode().splitlines()]
    midnight = datetime(session.year, session.month, session.day, tzinfo=NEW_YORK).timestamp()
    table = np.array([[float(value) for value in row[1:6]] for row in rows])
    table[:, :4] /= 10_000
    moments = np.array([(midnight + int(row[0]) / 1000) * 1e9 for row in rows])
    return Panel(
        timestamps=moments.astype("int64").astype("datetime64[ns]"),
        tickers=(ticker.upper(),),
        fields={name: table[:, [column]] for column, name in enumerate(FIELDS)},
        frequency="minute",
        version="lean",
    )
