"""What is known of the market at one moment: the input of every screen. Nothing later is in it, by construction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from falcon_pipelines.bars.calendar import previous_session
from falcon_pipelines.bars.panel import Panel, session_of
from falcon_pipelines.errors import InputError
from falcon_pipelines.profiles.schema import Slot


class NoBarsToScreen(InputError):
    """There are no bars that a run of that session may see."""


@dataclass(frozen=True)
class Reference:
    """What a reference source knows of each ticker, as of the session.

    `table` has a row per ticker: ticker, and of sector, industry (text), etf (Boolean), market_cap, float_shares,
    short_float, pe, eps_growth, dividend_yield (Float64), next_earnings, last_earnings (Date), about (text) those the
    source has.
    `version` identifies it; `notes` say what a reader of the picks should know of it.
    """

    table: pl.DataFrame
    source: str
    version: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Market:
    """Day bars up to `bars_session` and what else is known when `session`'s run at `slot` starts.

    The panel's last row is `bars_session`: the session itself for evening runs, an earlier one for the others.
    `minutes` has ticker, performance_5m, premarket_gap of the session up to the run. `seasons` is the mean percent
    change of each sector at this time of the year, from `season_years` former years.
    """

    session: date
    panel: Panel
    slot: Slot = "evening"
    minutes: pl.DataFrame | None = None
    reference: Reference | None = None
    seasons: Mapping[str, float] | None = None
    season_years: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why each need (minutes, sectors, ...) that is not met is not: what to configure or ingest."""

    def __post_init__(self) -> None:
        if len(self.panel) == 0 or not np.isfinite(self.panel["close"][-1]).any():
            raise NoBarsToScreen(f"there are no bars of {self.session} to screen; ingest that session first")

    @property
    def bars_session(self) -> date:
        """The newest session whose day bars are known."""
        return session_of(self.panel.timestamps[-1])

    @property
    def known_through(self) -> date:
        """The session whose close is the newest event that counts: today's for evening runs, else the one before."""
        return self.session if self.slot == "evening" else previous_session(self.session)

    @property
    def sessions(self) -> int:
        """Sessions of day bars."""
        return len(self.panel)


@dataclass(frozen=True)
class Features:
    """The feature table of one run, with what a screen must know of where it came from.

    `table` is as `feature_table` makes it; `sessions` counts the day bars it was made of; `known_through` is the
    session whose close is the newest event that counts.
    """

    table: pl.DataFrame
    session: date
    slot: Slot
    bars_session: date
    known_through: date
    version: str
    reference_version: str | None
    sessions: int
    synthetic: bool
    notes: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
