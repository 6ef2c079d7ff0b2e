"""Back-adjustment of prices for splits and dividends, as known on a given day. Pure functions on arrays.

A bar before an ex-date is multiplied by that action's factor; bars on or after it are left as traded, so the
newest prices are the raw ones. Splits: prices by 1/ratio, volume by ratio. Dividends: prices by
1 - D / C, where C is the last raw close before the ex-date (CRSP's method), in shares as of the ex-date.
"""

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from falcon_pipelines.bars.panel import Adjust, Panel
from falcon_pipelines.errors import FalconError, InputError


class AsOfRequired(InputError):
    """Adjusted prices were asked for without saying as of which day."""


class ImpossibleDividend(FalconError):
    """A dividend is not below the price of the share that paid it."""


def require_as_of(adjust: Adjust, as_of: date | None) -> None:
    """Raises AsOfRequired when adjusted prices are asked for without a day."""
    if adjust != "none" and as_of is None:
        raise AsOfRequired(f"adjusting for {adjust} needs an as-of date: which corporate actions were known?")


def applicable(actions: pl.DataFrame, adjust: Adjust, as_of: date | None) -> pl.DataFrame:
    """The splits, and for `all` the dividends, with an ex-date up to `as_of`. Raises AsOfRequired."""
    require_as_of(adjust, as_of)
    kinds = {"none": [], "splits": ["split"], "all": ["split", "dividend"]}[adjust]
    return actions.filter(pl.col("kind").is_in(kinds) & (pl.col("ex_date") <= as_of))


def factors(actions: pl.DataFrame, previous_closes: Mapping[tuple[str, date], float]) -> pl.DataFrame:
    """Price and volume factor of each (ticker, ex_date): columns ticker, ex_date, price_factor, volume_factor.

    `actions` are applicable ones. `previous_closes` holds, per dividend, the last raw close before the ex-date;
    a dividend without one affects no bar and is left out. Raises ImpossibleDividend.
    """
    rows = []
    for (ticker, ex_date), group in actions.sort("ticker", "ex_date").group_by(
        "ticker", "ex_date", maintain_order=True
    ):
        ratio = float(np.prod(group.filter(kind="split")["ratio"].to_numpy()))
        paid = float(group.filter(kind="dividend")["amount"].sum())
        price_factor = 1.0 / ratio
        close = previous_closes.get((ticker, ex_date))
        if paid and close is not None:
            if paid >= close / ratio:
                raise ImpossibleDividend(
                    f"{ticker}: a dividend of {paid:g} on {ex_date} is not below the close before it "
                    f"({close / ratio:g}); correct the corporate actions"
                )
            price_factor *= 1.0 - paid / (close / ratio)
        rows.append((ticker, ex_date, price_factor, ratio))
    schema = {
        "ticker": pl.String,
        "ex_date": pl.Date,
        "price_factor": pl.Float64,
        "volume_factor": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def back_adjusted(
    days: NDArray[np.datetime64], ex_dates: NDArray[np.datetime64], multipliers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The product, for each of the sorted `days` (T,), of the multipliers whose ex-date is later."""
    result = np.ones(len(days))
    for ex_date, multiplier in zip(ex_dates, multipliers, strict=True):
        result[: np.searchsorted(days, ex_date, side="left")] *= multiplier
    return result


def adjusted(panel: Panel, table: pl.DataFrame, adjust: Adjust, as_of: date) -> Panel:
    """A raw panel with the factors of `factors` applied."""
    days = new_york_days(panel.timestamps)
    fields = {name: values.copy() for name, values in panel.fields.items()}
    columns = {ticker: column for column, ticker in enumerate(panel.tickers)}
    for (ticker,), group in table.group_by("ticker"):
        column = columns.get(str(ticker))
        if column is None:
            continue
        ex_dates = group["ex_date"].to_numpy().astype("datetime64[D]")
        prices = back_adjusted(days, ex_dates, group["price_factor"].to_numpy())
        shares = back_adjusted(days, ex_dates, group["volume_factor"].to_numpy())
        for name, values in fields.items():
            values[:, column] *= shares if name == "volume" else prices
    return Panel(
        timestamps=panel.timestamps,
        tickers=panel.tickers,
        fields=fields,
        frequency=panel.frequency,
        version=panel.version,
        adjust=adjust,
        as_of=as_of,
        synthetic=panel.synthetic,
    )


def new_york_days(timestamps: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """The New York date, datetime64[D], of each UTC time (T,)."""
    local = pl.Series(timestamps).dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    return local.dt.date().to_numpy().astype("datetime64[D]")
