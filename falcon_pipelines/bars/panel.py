"""Aligned bars of several tickers: what screens, signals and backtests compute on. Holds no logic of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Frequency = Literal["day", "minute"]
Adjust = Literal["none", "splits", "all"]
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Panel:
    """Bars of N tickers at T times.

    `timestamps` is (T,) datetime64[ns], the start of each bar in UTC (a day bar starts at midnight New York),
    strictly increasing. Each array of `fields` is (T, N) float64, column j for `tickers[j]`, NaN where the
    ticker has no bar. `version` identifies the data; `as_of` is None exactly when `adjust` is "none".
    """

    timestamps: NDArray[np.datetime64]
    tickers: tuple[str, ...]
    fields: Mapping[str, NDArray[np.float64]]
    frequency: Frequency
    version: str
    adjust: Adjust = "none"
    as_of: date | None = None
    synthetic: bool = False

    def __getitem__(self, field: str) -> NDArray[np.float64]:
        """The (T, N) array of one field."""
        return self.fields[field]

    def __len__(self) -> int:
        return len(self.timestamps)

    def rows(self, start: int, stop: int) -> "Panel":
        """The same panel for bars `start` up to but not including `stop`."""
        return Panel(
            timestamps=self.timestamps[start:stop],
            tickers=self.tickers,
            fields={name: values[start:stop] for name, values in self.fields.items()},
            frequency=self.frequency,
            version=self.version,
            adjust=self.adjust,
            as_of=self.as_of,
            synthetic=self.synthetic,
        )


def session_of(timestamp: np.datetime64) -> date:
    """The session of a day bar: it starts at midnight New York, which is the same date in UTC."""
    day: date = timestamp.astype("datetime64[D]").item()
    return day
