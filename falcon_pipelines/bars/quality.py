"""Is a session's data plausible? Each check is a pure function of tables and returns one typed result.

ERROR results mean the session must not be used; WARN results mean a person should look. Nothing is altered:
a real -52 % day is reported and kept. Rows that are wrong by themselves never get here: see `validation`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median
from typing import Any, Literal

import polars as pl

from falcon_pipelines.bars.refusals import EVIDENCE_ROWS, FILE_CHECKS, BadFlatFile

SAMPLE_ROWS = EVIDENCE_ROWS
COUNT_SESSIONS = 20
MAX_DROP = 0.10
MAX_QUARANTINED = 0.001
MAX_MOVE = 0.40
STALE_SESSIONS = 5
MAX_MISMATCH = 0.01
_MIN_BASELINE = 5

Severity = Literal["ERROR", "WARN"]


@dataclass(frozen=True)
class QualityResult:
    """One check of one session: `value` is what was measured, `count` how many rows offend, `sample` the worst."""

    name: str
    severity: Severity
    passed: bool
    description: str
    count: int
    threshold: float
    value: float | None
    sample: tuple[dict[str, Any], ...] = ()
    quarantine_file: str | None = None


def file_results(error: BadFlatFile | None = None) -> tuple[QualityResult, ...]:
    """What is known of a session's file as a whole: ERROR in the one respect in which it was refused."""
    results, words = [], "nothing wrong with the file"
    for reason in FILE_CHECKS:
        if error is not None and isinstance(error, reason):
            results.append(_refused(reason.check, error))
            words = f"not looked at, because {reason.check} failed"
        else:
            results.append(QualityResult(reason.check, "ERROR", True, words, 0, 0, None))
    return tuple(results)


def _refused(name: str, error: BadFlatFile) -> QualityResult:
    file = None if error.quarantine_file is None else str(error.quarantine_file)
    return QualityResult(
        name=name,
        severity="ERROR",
        passed=False,
        description=str(error),
        count=error.count,
        threshold=error.threshold,
        value=error.value,
        sample=tuple(dict(row) for row in error.evidence),
        quarantine_file=file,
    )


def count_drop(name: str, today: int, before: Sequence[int]) -> QualityResult:
    """ERROR when a count is more than 10 % below the median of the (up to 20) sessions before.

    Passes while there are fewer than 5 of them.
    """
    baseline = median(before[-COUNT_SESSIONS:]) if len(before) >= _MIN_BASELINE else None
    drop = None if not baseline else 1 - today / baseline
    return QualityResult(
        name=name,
        severity="ERROR",
        passed=drop is None or drop <= MAX_DROP,
        description=f"{today:,} against a median of {baseline or 0:,.0f} in the {len(before[-COUNT_SESSIONS:])} before",
        count=today,
        threshold=MAX_DROP,
        value=drop,
    )


def quarantined_share(
    good: int, quarantined: int, lines: pl.DataFrame | None = None, file: str | None = None
) -> QualityResult:
    """ERROR when more than 0.1 % of a file's rows were quarantined; `lines` are the quarantined ones."""
    share = quarantined / max(1, good + quarantined)
    return QualityResult(
        name="quarantined_share",
        severity="ERROR",
        passed=share <= MAX_QUARANTINED,
        description=f"{quarantined:,} of {good + quarantined:,} rows quarantined",
        count=quarantined,
        threshold=MAX_QUARANTINED,
        value=share,
        sample=() if lines is None else _sample(lines),
        quarantine_file=file,
    )


def large_moves(today: pl.DataFrame, before: pl.DataFrame, splits: pl.DataFrame) -> QualityResult:
    """WARN about closes more than 40 % from the one before, splits taken into account.

    `today` has ticker, close; `before` ticker, day, close of the sessions before; `splits` ticker, ex_date, ratio.
    """
    previous = (
        before.sort("day").group_by("ticker").agg(pl.last("day"), pl.last("close").alias("previous_close"))
    )
    ratios = (
        splits.join(previous, on="ticker")
        .filter(pl.col("ex_date") > pl.col("day"))
        .group_by("ticker")
        .agg(pl.col("ratio").product())
    )
    moves = (
        today.join(previous, on="ticker")
        .join(ratios, on="ticker", how="left")
        .with_columns(move=pl.col("close") * pl.col("ratio").fill_null(1.0) / pl.col("previous_close") - 1.0)
    )
    offending = moves.filter(pl.col("move").abs() > MAX_MOVE).sort(pl.col("move").abs(), descending=True)
    largest = moves["move"].abs().max()
    return _warning(
        "large_moves",
        offending.select("ticker", "previous_close", "close", "move"),
        "closes moved by more than 40 % without a split",
        MAX_MOVE,
        None if largest is None else float(largest),  # type: ignore[arg-type]
    )


def zero_volume(today: pl.DataFrame) -> QualityResult:
    """WARN about bars without volume; `today` has ticker, close, volume."""
    offending = today.filter(pl.col("volume") == 0).select("ticker", "close", "volume").sort("ticker")
    return _warning("zero_volume", offending, "bars have no volume", 0, offending.height)


def stale_closes(recent: pl.DataFrame, sessions: Sequence[date]) -> QualityResult:
    """WARN about closes unchanged over the last 5 of `sessions`; `recent` has ticker, day, close."""
    last = list(sessions)[-STALE_SESSIONS:]
    counts = (
        recent.filter(pl.col("day").is_in(last))
        .group_by("ticker")
        .agg(pl.len().alias("sessions"), pl.col("close").n_unique().alias("closes"), pl.last("close"))
    )
    stale = counts.filter((pl.col("sessions") == STALE_SESSIONS) & (pl.col("closes") == 1))
    offending = stale.select("ticker", "close").sort("ticker")
    words = f"closes have not changed for {STALE_SESSIONS} sessions"
    return _warning("stale_closes", offending, words, STALE_SESSIONS, offending.height)


def gaps(
    today: pl.DataFrame, before: pl.DataFrame, sessions: Sequence[date], delisted: set[str]
) -> QualityResult:
    """WARN about tickers that traded in each of the 5 sessions before and are absent now, but were not delisted.

    `today` has ticker; `before` ticker, day; `sessions` are those before, in order.
    """
    last = list(sessions)[-STALE_SESSIONS:]
    seen = (
        before.filter(pl.col("day").is_in(last))
        .group_by("ticker")
        .agg(pl.col("day").n_unique().alias("days"))
    )
    steady = seen.filter(pl.col("days") == STALE_SESSIONS) if len(last) == STALE_SESSIONS else seen.clear()
    absent = steady.join(today, on="ticker", how="anti").filter(~pl.col("ticker").is_in(delisted))
    offending = absent.select("ticker").sort("ticker")
    return _warning("gaps", offending, "tickers are absent without a delisting", 0, offending.height)


def day_against_minutes(
    day: pl.DataFrame, minutes: pl.DataFrame, opens: datetime, closes: datetime
) -> QualityResult:
    """WARN where a day's high or low is more than 1 % from those of its regular minutes.

    `day` has ticker, high, low; `minutes` ticker, timestamp, high, low. Tickers without minutes are not compared.
    """
    regular = minutes.filter(pl.col("timestamp").is_between(opens, closes, closed="left"))
    of_minutes = regular.group_by("ticker").agg(
        pl.col("high").max().alias("minutes_high"), pl.col("low").min().alias("minutes_low")
    )
    both = day.join(of_minutes, on="ticker").with_columns(
        mismatch=pl.max_horizontal(
            (pl.col("minutes_high") / pl.col("high") - 1).abs(),
            (pl.col("minutes_low") / pl.col("low") - 1).abs(),
        )
    )
    offending = both.filter(pl.col("mismatch") > MAX_MISMATCH).sort("mismatch", descending=True)
    largest = both["mismatch"].max()
    return _warning(
        "day_against_minutes",
        offending.select("ticker", "high", "minutes_high", "low", "minutes_low", "mismatch"),
        f"of {both.height} days differ from their minutes",
        MAX_MISMATCH,
        None if largest is None else float(largest),  # type: ignore[arg-type]
    )


def _warning(
    name: str, offending: pl.DataFrame, words: str, threshold: float, value: float | None
) -> QualityResult:
    return QualityResult(
        name=name,
        severity="WARN",
        passed=offending.is_empty(),
        description=f"{offending.height:,} {words}",
        count=offending.height,
        threshold=threshold,
        value=value,
        sample=_sample(offending),
    )


def _sample(rows: pl.DataFrame) -> tuple[dict[str, Any], ...]:
    return tuple(rows.head(SAMPLE_ROWS).to_dicts())
