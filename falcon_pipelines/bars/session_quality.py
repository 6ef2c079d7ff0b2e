"""Gathers what the quality checks need of one stored session and runs them all."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl

from falcon_pipelines.bars import quality
from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.quality import QualityResult
from falcon_pipelines.bars.staging import quarantine_path
from falcon_pipelines.bars.store import BarStore, NoBars

ERROR_CHECKS = ("row_count", "ticker_count", "quarantined_share")
WARN_CHECKS = ("large_moves", "zero_volume", "stale_closes", "gaps", "day_against_minutes")
_LOOK_BACK = quality.COUNT_SESSIONS
_SCANNED_SESSIONS = 250


def check_sessions(
    store: BarStore, sessions: Sequence[date], frequency: Frequency = "day", version: str | None = None
) -> Iterator[tuple[date, tuple[QualityResult, ...]]]:
    """The checks of many sessions: all ERROR ones, and WARN ones of the last session and where a first look at
    the whole range found something.

    Raises NoBars when a session is not in the store.
    """
    version = version or store.current_version()
    looked_at: set[date] = set(sessions[-1:])
    if frequency == "day":
        for first in range(0, len(sessions), _SCANNED_SESSIONS):
            looked_at |= _conspicuous(store, sessions[first : first + _SCANNED_SESSIONS], version)
    for session in sessions:
        yield session, check_session(store, session, frequency, version, warnings=session in looked_at)


def check_session(
    store: BarStore,
    session: date,
    frequency: Frequency = "day",
    version: str | None = None,
    *,
    warnings: bool = True,
) -> tuple[QualityResult, ...]:
    """All checks of one session's bars against those before it, ERROR ones first; WARN ones with `warnings`.

    Raises NoBars when the session is not in the store.
    """
    entries = store.log(version).sessions(frequency)
    entry = entries.get(session)
    if entry is None:
        raise NoBars(
            f"{store.root} has no {frequency} bars of {session}; run `falcon ingest {frequency}` for it"
        )
    before = [day for day in entries if day < session][-_LOOK_BACK:]
    counts = [entries[day].rows for day in before]
    expected = counts
    if frequency == "minute":
        # A day with an early close has fewer minutes, not missing ones.
        expected = [
            round(rows * _length(session) / _length(day)) for rows, day in zip(counts, before, strict=True)
        ]
    lines = store.quarantined(session, version, frequency) if entry.quarantined else None
    file = str(store.root / quarantine_path(entry.path)) if entry.quarantined else None
    share = quality.quarantined_share(entry.rows, entry.quarantined, lines, file)
    tickers = counts
    today_tickers = entry.rows
    if frequency == "minute":
        tickers = [_tickers(store, day, version) for day in before]
        today_tickers = _tickers(store, session, version)
    return (
        quality.count_drop("row_count", entry.rows, expected),
        quality.count_drop("ticker_count", today_tickers, tickers),
        share,
        *(_day_warnings(store, session, before, version) if warnings and frequency == "day" else ()),
    )


def _length(session: date) -> float:
    """Seconds of regular trading."""
    opens, closes = session_open_close(session)
    return (closes - opens).total_seconds()


def _day_warnings(
    store: BarStore, session: date, before: list[date], version: str | None
) -> tuple[QualityResult, ...]:
    first = before[0] if before else session
    columns = ("ticker", "timestamp", "high", "low", "close", "volume")
    recent = store.table(first, session, columns, version=version).with_columns(
        day=pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.date()
    )
    today = recent.filter(pl.col("day") == session)
    earlier = recent.filter(pl.col("day") < session)
    actions = store.actions(version)
    splits = actions.filter((pl.col("kind") == "split") & (pl.col("ex_date") <= session))
    gone = actions.filter((pl.col("kind") == "delisting") & (pl.col("ex_date") <= session))["ticker"]
    ended = store.securities(version).filter(pl.col("last") < session)["ticker"]
    return (
        quality.large_moves(today, earlier, splits),
        quality.zero_volume(today),
        quality.stale_closes(recent, [*before, session]),
        quality.gaps(today, earlier, before, {*gone, *ended}),
        quality.day_against_minutes(today, _minutes(store, session, version), *session_open_close(session)),
    )


def _conspicuous(store: BarStore, sessions: Sequence[date], version: str) -> set[date]:
    """The sessions for which a WARN check could fail, and perhaps a few more; far cheaper than the checks."""
    stored = list(store.log(version).sessions("day"))
    position = {session: number for number, session in enumerate(stored)}
    wanted = [session for session in sessions if session in position]
    if not wanted:
        return set()
    first = stored[max(0, position[wanted[0]] - _LOOK_BACK)]
    bars = store.table(first, wanted[-1], ("ticker", "timestamp", "close", "volume"), version=version)
    day = pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.date()
    number = day.replace_strict(stored, list(range(len(stored))), return_dtype=pl.Int64)
    close, n = pl.col("close"), pl.col("n")
    lag = quality.STALE_SESSIONS - 1
    rows = (
        bars.with_columns(n=number)
        .sort("ticker", "n")
        .with_columns(
            move=(close / close.shift().over("ticker") - 1.0).abs(),
            still=pl.all_horizontal(*(close == close.shift(k).over("ticker") for k in range(1, lag + 1)))
            & (n - n.shift(lag).over("ticker") == lag),
            next=n.shift(-1).over("ticker"),
        )
    )
    odd = rows.filter((pl.col("move") > quality.MAX_MOVE) | (pl.col("volume") == 0) | pl.col("still"))["n"]
    left = rows.filter(pl.col("next").is_null() | (pl.col("next") > n + 1))["n"] + 1
    found = {stored[number] for number in {*odd, *left} if number < len(stored)}
    # A split can hide a move: its session is always looked at; so is one with minutes to compare.
    for ex_date in store.actions(version).filter(pl.col("kind") == "split")["ex_date"]:
        found |= set(wanted[bisect_left(wanted, ex_date) :][:1])
    return (found | store.log(version).sessions("minute").keys()) & set(wanted)


def _minutes(store: BarStore, session: date, version: str | None) -> pl.DataFrame:
    columns = ("ticker", "timestamp", "high", "low")
    return store.table(session, session, columns, version=version, frequency="minute")


def _tickers(store: BarStore, session: date, version: str | None) -> int:
    return store.table(session, session, ("ticker",), version=version, frequency="minute")[
        "ticker"
    ].n_unique()
