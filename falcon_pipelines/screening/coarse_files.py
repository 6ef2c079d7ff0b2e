"""Cross-sections of LEAN's `coarse` layout as day bars: one file a session with every security's close and volume.

The files hold no open, high and low: those are the close, so that ranges are those between closes.
"""

import hashlib
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from falcon_pipelines.bars.calendar import midnight
from falcon_pipelines.bars.panel import FIELDS, Panel
from falcon_pipelines.errors import InputError

_COLUMNS: dict[str, type[pl.DataType]] = {
    "id": pl.String,
    "ticker": pl.String,
    "close": pl.Float64,
    "volume": pl.Float64,
    "dollar_volume": pl.Float64,
    "has_fundamentals": pl.String,
    "price_factor": pl.Float64,
    "split_factor": pl.Float64,
}


class BadCoarseFiles(InputError):
    """A folder of cross-sections that cannot be read; the message names the file."""


def read_coarse_folder(folder: Path) -> Panel:
    """All `YYYYMMDD.csv[.gz]` of a folder, adjusted to the newest session with the factors they hold.

    A security is followed by its id; it is called what it is called on its last day. Raises BadCoarseFiles.
    """
    files = {day: path for path in sorted(folder.glob("*.csv*")) if (day := _day_of(path)) is not None}
    if not files:
        raise BadCoarseFiles(f"{folder}: there is no file like 20140328.csv.gz")
    digest = hashlib.sha256()
    tables = []
    for number, (day, path) in enumerate(files.items()):
        content = path.read_bytes()
        digest.update(f"{day}".encode() + content)
        try:
            table = pl.read_csv(content, has_header=False, schema=_COLUMNS)
        except pl.exceptions.PolarsError as error:
            raise BadCoarseFiles(f"{path}: {str(error).splitlines()[0]}") from error
        tables.append(
            table.with_columns(row=pl.lit(number)).filter((pl.col("close") > 0) & (pl.col("volume") >= 0))
        )
    rows = pl.concat(tables).unique(["id", "row"], keep="first", maintain_order=True)
    newest = pl.col("row") == pl.col("row").max().over("id")
    names = (
        rows.filter(newest)
        .sort("row", "dollar_volume", descending=True)
        .unique("ticker", keep="first", maintain_order=True)
        .select("id", name="ticker", last_price="price_factor", last_split="split_factor")
        .sort("name")
        .with_row_index("column")
    )
    rows = rows.join(names, on="id").with_columns(
        pl.col("close")
        * (pl.col("price_factor") * pl.col("split_factor") / (pl.col("last_price") * pl.col("last_split"))),
        pl.col("volume") / (pl.col("split_factor") / pl.col("last_split")),
    )
    shape = len(files), names.height
    close, volume = np.full(shape, np.nan), np.full(shape, np.nan)
    close[rows["row"].to_numpy(), rows["column"].to_numpy()] = rows["close"].to_numpy()
    volume[rows["row"].to_numpy(), rows["column"].to_numpy()] = rows["volume"].to_numpy()
    fields = dict.fromkeys(FIELDS, close) | {"volume": volume}
    moments = [midnight(day).replace(tzinfo=None) for day in files]
    return Panel(
        timestamps=np.array(moments, dtype="datetime64[ns]"),
        tickers=tuple(names["name"].to_list()),
        fields=fields,
        frequency="day",
        version=f"coarse-{digest.hexdigest()[:12]}",
    )


def _day_of(path: Path) -> date | None:
    try:
        return datetime.strptime(path.name.split(".")[0], "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None
