"""How sectors did at this time of the year before: the mean over former years of their median change."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from falcon_pipelines.screening.bar_sources import BarSource
from falcon_pipelines.screening.features import SMALLEST_SECTOR

SESSIONS_AHEAD = 21
MOST_YEARS = 10
FEWEST_YEARS = 3


def sector_seasons(
    source: BarSource, known: Sequence[date], session: date, sectors: pl.DataFrame
) -> tuple[dict[str, float], int]:
    """Mean percent change of each sector over the 21 sessions after this day of former years, and of how many years.

    `known` are the sessions the run may see; `sectors` has ticker, sector (as they are now). Prices are adjusted as
    known on `session`. A year counts where both ends of its window have bars and the window ended by the last known
    session; a sector counts in a year with three members or more. Fewer than three years give nothing.
    """
    days = np.asarray(known, dtype="datetime64[D]")
    yearly: list[pl.DataFrame] = []
    for back in range(1, MOST_YEARS + 1):
        anniversary = _years_before(session, back)
        start = int(np.searchsorted(days, np.datetime64(anniversary, "D"), side="right")) - 1
        if start < 0 or (anniversary - known[start]).days > 7:
            break
        end = start + SESSIONS_AHEAD
        if end >= len(known) or (known[end] - anniversary).days > 60:
            continue
        panel = source.panel(known[start], known[end], session, ("close",))
        change = (panel["close"][-1] / panel["close"][0] - 1) * 100
        moved = pl.DataFrame({"ticker": list(panel.tickers), "change": change}).filter(
            pl.col("change").is_finite()
        )
        yearly.append(
            moved.join(sectors, on="ticker")
            .group_by("sector")
            .agg(pl.col("change").median(), pl.len().alias("members"))
            .filter((pl.col("members") >= SMALLEST_SECTOR) & pl.col("sector").is_not_null())
        )
    if len(yearly) < FEWEST_YEARS:
        return {}, len(yearly)
    together = (
        pl.concat(yearly)
        .group_by("sector")
        .agg(pl.col("change").mean(), pl.len().alias("years"))
        .filter(pl.col("years") >= FEWEST_YEARS)
        .sort("sector")
    )
    return dict(zip(together["sector"], together["change"], strict=True)), len(yearly)


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
