"""What minute bars of the session tell up to the moment of a run: nothing of a minute that is not over is used."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from falcon_pipelines.bars.calendar import NEW_YORK, session_open_close
from falcon_pipelines.bars.panel import Panel, session_of
from falcon_pipelines.profiles.schema import SLOT_TIMES, Slot

_MINUTE = timedelta(minutes=1)
_LONGEST_SILENCE = timedelta(minutes=15)


def moment_of(session: date, slot: Slot) -> datetime:
    """When that run starts, in UTC."""
    return datetime.combine(session, SLOT_TIMES[slot], tzinfo=NEW_YORK).astimezone(UTC)


def minute_features(bars: pl.DataFrame, session: date, slot: Slot, days: Panel) -> pl.DataFrame | None:
    """ticker, performance_5m, premarket_gap from minute bars (ticker, timestamp, close) of the session.

    The five minutes end with the run, or with the regular close where the run is later; a ticker that did not trade
    in the quarter of an hour before has none. The gap is of the last price before the open against the close of the
    session before, from `days`. None where there is no minute before the run.
    """
    opens, closes = session_open_close(session)
    moment = min(moment_of(session, slot), closes)
    known = bars.filter(pl.col("timestamp") + _MINUTE <= moment).sort("ticker", "timestamp")
    if known.is_empty():
        return None
    last = known.filter(pl.col("timestamp") >= moment - _LONGEST_SILENCE)
    base = known.filter(pl.col("timestamp") + _MINUTE <= moment - timedelta(minutes=5))
    before_open = known.filter(pl.col("timestamp") + _MINUTE <= opens)
    table = known.select("ticker").unique(maintain_order=True)
    for name, part in (("_last", last), ("_base", base), ("_early", before_open)):
        table = table.join(
            part.group_by("ticker").agg(pl.col("close").last().alias(name)), on="ticker", how="left"
        )
    return table.join(_closes_before(days, session), on="ticker", how="left").select(
        "ticker",
        performance_5m=(pl.col("_last") / pl.col("_base") - 1) * 100,
        premarket_gap=(pl.col("_early") / pl.col("_before") - 1) * 100,
    )


def _closes_before(days: Panel, session: date) -> pl.DataFrame:
    """The close of the last session before this one, per ticker."""
    row = len(days) - 1 - (session_of(days.timestamps[-1]) >= session)
    closes = days["close"][row] if row >= 0 else np.full(len(days.tickers), np.nan)
    return pl.DataFrame(
        {"ticker": list(days.tickers), "_before": closes}, schema={"ticker": pl.String, "_before": pl.Float64}
    )
