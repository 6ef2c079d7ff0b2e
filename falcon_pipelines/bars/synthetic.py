"""Made-up flat files for the demo and the tests: seeded, in Massive's layout, with every oddity real data has.

The same parameters give the same bytes. A marker file in the folder makes everything read from it say
`synthetic`.
"""

import gzip
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from falcon_pipelines.bars import calendar
from falcon_pipelines.bars.actions import CorporateAction, actions_table
from falcon_pipelines.bars.flat_files import CSV_SCHEMA, file_key, mark_synthetic
from falcon_pipelines.bars.synthetic_minutes import Day, minute_rows

ACTIONS_FILE = "corporate_actions.csv"
REFERENCE_FILE = "reference.csv"
MARKET = "MKT"
_SECTORS = (
    *("Communication Services", "Consumer Discretionary", "Consumer Staples", "Energy", "Financials"),
    *("Health Care", "Industrials", "Information Technology", "Materials", "Real Estate", "Utilities"),
)
_TRAPS = ("NA", "TRUE")
_MIN_SESSIONS = 60
_MIN_TICKERS = 8


@dataclass(frozen=True)
class SyntheticMarket:
    """What was written, and where its oddities are."""

    root: Path
    actions_file: Path
    sessions: tuple[date, ...]
    tickers: tuple[str, ...]
    market_ticker: str
    split: CorporateAction
    dividend: CorporateAction
    delisting: CorporateAction
    halted: tuple[str, date]
    bad_row: tuple[str, date]
    early_closes: tuple[date, ...]
    minute_sessions: tuple[date, ...]


def write_synthetic_flat_files(
    root: Path,
    tickers: int = 200,
    sessions: int = 750,
    seed: int = 7,
    start: date = date(2023, 1, 3),
    minute_sessions: int = 0,
) -> SyntheticMarket:
    """Writes day flat files, `corporate_actions.csv` and `reference.csv` under `root`.

    `minute_sessions` more sessions, after those of the day bars, are written as minute flat files.

    The first ticker is the market itself (`MKT`), two are spelled NA and TRUE, and one each has a 4-for-1 split, a
    dividend, a delisting, a halted day, and a row whose high is below its low. Raises ValueError for fewer than
    60 sessions or 8 tickers.
    """
    if sessions < _MIN_SESSIONS or tickers < _MIN_TICKERS:
        raise ValueError(
            f"a synthetic market needs at least {_MIN_TICKERS} tickers and {_MIN_SESSIONS} sessions"
        )
    together = calendar.sessions_from(start, sessions + minute_sessions)
    days, after = together[:sessions], together[sessions:]
    names = (MARKET, *(f"SYN{number:03}" for number in range(1, tickers - len(_TRAPS))), *_TRAPS)
    market = _plan(root, names, days, after)
    bars = _simulate(market, seed)
    for row, session in enumerate(days):
        _write_session(root, session, market, {name: values[row] for name, values in bars.items()})
    _write_minutes(root, market, bars, seed)
    _write_reference(root / REFERENCE_FILE, market, seed)
    actions_table([market.split, market.dividend, market.delisting]).write_csv(market.actions_file)
    parameters = {"tickers": tickers, "sessions": sessions, "seed": seed, "start": start}
    mark_synthetic(root, {**parameters, "minute_sessions": minute_sessions})
    return market


def _plan(
    root: Path, names: tuple[str, ...], days: tuple[date, ...], after: tuple[date, ...]
) -> SyntheticMarket:
    def day(fraction: float) -> date:
        return days[int(fraction * len(days))]

    paid = int(0.4 * len(days))
    return SyntheticMarket(
        root=root,
        actions_file=root / ACTIONS_FILE,
        sessions=days,
        tickers=names,
        market_ticker=MARKET,
        split=CorporateAction(names[1], "split", day(0.6), ratio=4.0),
        dividend=CorporateAction(names[2], "dividend", days[paid], amount=0.5, pay_date=days[paid + 15]),
        delisting=CorporateAction(names[3], "delisting", day(0.8)),
        halted=(names[4], day(0.3)),
        bad_row=(names[5], day(0.5)),
        early_closes=tuple(session for session in days if calendar.is_early_close(session)),
        minute_sessions=after,
    )


def _simulate(market: SyntheticMarket, seed: int) -> dict[str, NDArray[np.float64]]:
    """Raw prices and volumes, each (T, N): trends that last months, on top of them swings that revert in days."""
    rng = np.random.default_rng(seed)
    length, count = len(market.sessions), len(market.tickers)
    common = _trend(rng, length, 1, drift=0.0007)[:, 0] + np.cumsum(rng.normal(0.0, 0.007, length))
    beta = rng.uniform(0.5, 1.4, count)
    own = _trend(rng, length, count, drift=0.0016) + np.cumsum(
        rng.normal(0.0, 0.010, (length, count)), axis=0
    )
    swing = np.zeros((length, count))
    shocks = rng.normal(0.0, 0.012, (length, count))
    for row in range(1, length):
        swing[row] = 0.88 * swing[row - 1] + shocks[row]
    beta[0], own[:, 0], swing[:, 0] = 1.0, 0.0, 0.0
    start = np.exp(rng.uniform(np.log(15.0), np.log(250.0), count))
    start[0] = 400.0
    close = start * np.exp(beta * common[:, None] + own + swing)
    close = np.maximum(close, 1.0)
    gaps = rng.normal(0.0, 0.004, (length, count))
    open_ = np.vstack([close[:1], close[:-1]]) * np.exp(gaps)
    reach = np.abs(rng.normal(0.0, 0.006, (2, length, count)))
    high = np.maximum(open_, close) * (1.0 + reach[0])
    low = np.minimum(open_, close) * (1.0 - np.minimum(reach[1], 0.5))
    volume = np.exp(rng.normal(rng.uniform(12.0, 15.5, count), 0.35, (length, count)))
    volume *= 1.0 + 8.0 * np.abs(np.diff(np.log(close), axis=0, prepend=np.log(close[:1])))
    early = np.isin(np.array(market.sessions), np.array(market.early_closes))
    volume[early] *= 0.55
    split_row = market.sessions.index(market.split.ex_date)
    ratio = market.split.ratio or 1.0
    column = market.tickers.index(market.split.ticker)
    for prices in (open_, high, low, close):
        prices[split_row:, column] /= ratio
    volume[split_row:, column] *= ratio
    return {"open": open_, "high": high, "low": low, "close": close, "volume": volume}


def _trend(rng: np.random.Generator, length: int, count: int, drift: float) -> NDArray[np.float64]:
    """Cumulated drift (T, N) that changes direction every few months, upward a little more often."""
    steps = np.empty((length, count))
    for column in range(count):
        row = 0
        while row < length:
            span = int(rng.integers(50, 170))
            steps[row : row + span, column] = rng.normal(0.25 * drift, drift)
            row += span
    return np.cumsum(steps, axis=0)


def _write_session(
    root: Path, session: date, market: SyntheticMarket, bars: dict[str, NDArray[np.float64]]
) -> None:
    cents = {name: np.round(bars[name], 2) for name in ("open", "high", "low", "close")}
    volume = np.round(bars["volume"])
    start_ns = int(calendar.midnight(session).timestamp()) * 1_000_000_000
    table = pl.DataFrame(
        {
            "ticker": market.tickers,
            "volume": volume.astype(np.int64),
            **{name: cents[name] for name in ("open", "close", "high", "low")},
            "window_start": np.full(len(volume), start_ns),
            "transactions": (volume // 120).astype(np.int64) + 1,
        }
    ).select(*CSV_SCHEMA)
    absent = [market.halted[0]] if session == market.halted[1] else []
    if session >= market.delisting.ex_date:
        absent.append(market.delisting.ticker)
    table = table.filter(~pl.col("ticker").is_in(absent)).sort("ticker")
    if session == market.bad_row[1]:
        bad = pl.col("ticker") == market.bad_row[0]
        table = table.with_columns(high=pl.when(bad).then(pl.col("low") - 1).otherwise(pl.col("high")))
    path = root / file_key("day", session)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(table.write_csv().encode(), compresslevel=6, mtime=0))


def _write_minutes(
    root: Path, market: SyntheticMarket, bars: dict[str, NDArray[np.float64]], seed: int
) -> None:
    """The sessions after the day bars, minute by minute, from where those ended."""
    listed = [name != market.delisting.ticker for name in market.tickers]
    names = tuple(name for name in market.tickers if name != market.delisting.ticker)
    day = Day(
        close=bars["close"][-1][listed],
        volume=bars["volume"][-20:].mean(axis=0)[listed],
        volatility=np.diff(np.log(bars["close"][-60:]), axis=0).std(axis=0)[listed],
    )
    rng = np.random.default_rng([seed, len(market.sessions)])
    for session in market.minute_sessions:
        table, day = minute_rows(rng, session, names, day, MARKET)
        path = root / file_key("minute", session)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(table.write_csv().encode(), compresslevel=6, mtime=0))


def _write_reference(path: Path, market: SyntheticMarket, seed: int) -> None:
    """What is known of each ticker: the market itself is the one ETF, and has neither value nor sector."""
    rng = np.random.default_rng([seed, 1])
    count = len(market.tickers)
    capital = np.round(np.exp(rng.uniform(np.log(5e8), np.log(5e11), count)), -6)
    sectors = rng.choice(_SECTORS, count)
    stock = np.array([name != market.market_ticker for name in market.tickers])
    pl.DataFrame(
        {
            "ticker": market.tickers,
            "etf": (~stock).tolist(),
            "market_cap": [int(value) if own else None for value, own in zip(capital, stock, strict=True)],
            "sector": [str(value) if own else None for value, own in zip(sectors, stock, strict=True)],
        }
    ).write_csv(path)
