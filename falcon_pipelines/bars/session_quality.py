"""Gathers what the quality checks need of one stored session and runs them all."""

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


def check_session(
    store: BarStore, session: date, frequency: Frequency = "day", version: str | None = None
) -> tuple[QualityResult, ...]:
    """All checks of one session's bars against those before it, ERROR ones first.

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
    lines = store.quarantined(session, version, frequency) if entry.quarantined else None
    file = str(store.root / quarantine_path(entry.path)) if entry.quarantined else None
    share = quality.quarantined_share(entry.rows, entry.quarantined, lines, file)
    tickers = counts
    today_tickers = entry.rows
    if frequency == "minute":
        tickers = [_tickers(store, day, version) for day in before]
        today_tickers = _tickers(store, session, version)
    return (
        quality.count_drop("row_count", entry.rows, counts),
        quality.count_drop("ticker_count", today_tickers, tickers),
        share,
        *(_day_warnings(store, session, before, version) if frequency == "day" else ()),
    )


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


def _minutes(store: BarStore, session: date, version: str | None) -> pl.DataFrame:
    columns = ("ticker", "timestamp", "high", "low")
    return store.table(session, session, columns, version=version, frequency="minute")


def _tickers(store: BarStore, session: date, version: str | None) -> int:
    return store.table(session, session, ("ticker",), version=version, frequency="minute")[
        "ticker"
    ].n_unique()
