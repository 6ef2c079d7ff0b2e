"""Where a screen's bars come from: the bar store, or somebody's own files. Everything past here sees panels."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Protocol

import numpy as np
import polars as pl

from falcon_pipelines.bars.calendar import is_session
from falcon_pipelines.bars.panel import FIELDS, Panel, session_of
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.errors import InputError
from falcon_pipelines.screening.market import NoBarsToScreen


class BarSource(Protocol):
    """Day bars of all tickers, and minute bars of a session where there are any."""

    @property
    def version(self) -> str:
        """The data version that is read."""

    @property
    def synthetic(self) -> bool:
        """Whether the bars are made up."""

    def sessions(self) -> Sequence[date]:
        """Sessions with day bars, in order."""

    def panel(self, first: date, last: date, as_of: date, fields: Sequence[str] = FIELDS) -> Panel:
        """All tickers' day bars of those sessions, adjusted for what was known on `as_of`."""

    def minutes(self, session: date) -> pl.DataFrame | None:
        """ticker, timestamp (UTC, start of the minute), close, as traded; None where the session has no minutes."""


@dataclass
class StoreBars:
    """The bar store at one version (None: as it is now)."""

    store: BarStore
    pinned: str | None = None

    @cached_property
    def version(self) -> str:
        """The data version that is read."""
        return self.pinned or self.store.current_version()

    @cached_property
    def synthetic(self) -> bool:
        """Whether the bars are made up."""
        return self.store.is_synthetic(self.version)

    @cached_property
    def _sessions(self) -> tuple[date, ...]:
        return self.store.sessions("day", self.version)

    def sessions(self) -> Sequence[date]:
        """Sessions with day bars. Raises NoBarsToScreen where there are none."""
        if not self._sessions:
            raise NoBarsToScreen(
                f"{self.store.root} has no day bars; run `falcon ingest day` or `falcon demo` first"
            )
        return self._sessions

    def panel(self, first: date, last: date, as_of: date, fields: Sequence[str] = FIELDS) -> Panel:
        """Day bars from the store, adjusted for splits and dividends."""
        return self.store.panel(None, first, last, fields, adjust="all", as_of=as_of, version=self.version)

    def minutes(self, session: date) -> pl.DataFrame | None:
        """The session's minute bars, where they were ingested."""
        if session not in set(self.store.sessions("minute", self.version)):
            return None
        columns = ("ticker", "timestamp", "close")
        return self.store.table(session, session, columns, version=self.version, frequency="minute")


@dataclass
class FileBars:
    """Bars of files, taken as they are: no corporate actions are known for them."""

    days: Panel
    minute_panel: Panel | None = None
    version: str = field(init=False)
    synthetic: bool = field(init=False)

    def __post_init__(self) -> None:
        if self.days.frequency != "day":
            raise InputError("a screen needs day bars: every timestamp at New York midnight, or a plain date")
        self.version = self.days.version
        if self.minute_panel is not None:
            self.version = f"{self.version}+{self.minute_panel.version}"
        self.synthetic = self.days.synthetic

    @cached_property
    def _days(self) -> list[date]:
        days = [session_of(moment) for moment in self.days.timestamps]
        closed = next((day for day in days if not is_session(day)), None)
        if closed is not None:
            raise InputError(f"there are day bars of {closed}, on which XNYS did not trade")
        return days

    def sessions(self) -> Sequence[date]:
        """Sessions with day bars. Raises InputError for a day that is none."""
        return self._days

    def panel(self, first: date, last: date, as_of: date, fields: Sequence[str] = FIELDS) -> Panel:
        """The rows of those sessions."""
        days = np.asarray(self._days, dtype="datetime64[D]")
        start = int(np.searchsorted(days, np.datetime64(first, "D")))
        stop = int(np.searchsorted(days, np.datetime64(last, "D"), side="right"))
        cut = self.days.rows(start, stop)
        return replace(cut, fields={name: cut[name] for name in fields}, version=self.version)

    def minutes(self, session: date) -> pl.DataFrame | None:
        """That session's rows of the minute file."""
        if self.minute_panel is None:
            return None
        rows = np.flatnonzero(
            self.minute_panel.timestamps.astype("datetime64[D]") == np.datetime64(session, "D")
        )
        if not len(rows):
            return None
        cut = self.minute_panel.rows(int(rows[0]), int(rows[-1]) + 1)
        moments, tickers = cut["close"].shape
        return pl.DataFrame(
            {
                "ticker": np.tile(np.asarray(cut.tickers, dtype=object), moments),
                "timestamp": pl.Series(np.repeat(cut.timestamps, tickers)).dt.replace_time_zone("UTC"),
                "close": cut["close"].ravel(),
            },
            schema_overrides={"ticker": pl.String},
        ).filter(pl.col("close").is_finite())
