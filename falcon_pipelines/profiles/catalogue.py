"""What a profile may filter and rank by: the name, unit and meaning of every feature, and what it needs.

How they are computed is in `screening`; this module is light enough for the web node.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Need = Literal["bars", "minutes", "sectors", "earnings", "fundamentals", "seasons"]
Kind = Literal["number", "text"]
MAX_WINDOW = 252

UNITS: Mapping[str, tuple[str, float]] = {
    "usd": ("usd", 1.0),
    "thousand_usd": ("usd", 1e3),
    "million_usd": ("usd", 1e6),
    "billion_usd": ("usd", 1e9),
    "shares": ("shares", 1.0),
    "thousand_shares": ("shares", 1e3),
    "million_shares": ("shares", 1e6),
    "ratio": ("ratio", 1.0),
    "percent": ("percent", 1.0),
    "fraction": ("percent", 100.0),
    "points": ("points", 1.0),
    "sessions": ("sessions", 1.0),
}
"""Unit that a profile may write: the unit of the feature it fits, and what one of it is in that."""


@dataclass(frozen=True)
class Family:
    """A feature, or one for each window of sessions where `window` is set (a bare name means that window)."""

    unit: str
    meaning: str
    need: Need = "bars"
    window: int | None = None
    extra_sessions: int = 0
    kind: Kind = "number"


FAMILIES: Mapping[str, Family] = {
    "price": Family("usd", "last close"),
    "volume": Family("shares", "shares traded on the newest session"),
    "average_volume": Family("shares", "mean shares a session", window=20),
    "dollar_volume": Family("usd", "mean dollars traded a session", window=20),
    "relative_volume": Family(
        "ratio", "volume against the mean of the sessions before", window=20, extra_sessions=1
    ),
    "gap": Family("percent", "open against the close before", extra_sessions=2),
    "return": Family("percent", "change of the close", window=1, extra_sessions=1),
    "close_location": Family("percent", "where the close lies between the day's low (0) and high (100)"),
    "rsi": Family("points", "Wilder's RSI", window=14, extra_sessions=1),
    "atr_percent": Family("percent", "Wilder's ATR against the close", window=14, extra_sessions=1),
    "volatility": Family("percent", "annualised deviation of daily log returns", window=20, extra_sessions=1),
    "distance_to_sma": Family("percent", "close against its mean", window=20),
    "distance_to_high": Family("percent", "close against the highest high", window=252),
    "distance_to_low": Family("percent", "close against the lowest low", window=252),
    "performance_5m": Family("percent", "change over the last five minutes before the run", "minutes"),
    "premarket_gap": Family(
        "percent", "last price before the open against the close before", "minutes", extra_sessions=1
    ),
    "sector": Family("text", "the sector's name", "sectors", kind="text"),
    "industry": Family("text", "the industry's name", "sectors", kind="text"),
    "sector_strength": Family(
        "percent", "the sector's median change less the market's", "sectors", window=21, extra_sessions=1
    ),
    "sector_relative": Family(
        "percent", "change less the sector's median change", "sectors", window=21, extra_sessions=1
    ),
    "sector_season": Family(
        "percent",
        "mean change of the sector over the 21 sessions that followed this day in former years",
        "seasons",
    ),
    "sessions_to_earnings": Family("sessions", "sessions until the next earnings report", "earnings"),
    "sessions_since_earnings": Family("sessions", "sessions since the last earnings report", "earnings"),
    "market_cap": Family("usd", "market capitalisation", "fundamentals"),
    "float_shares": Family("shares", "shares that can be traded", "fundamentals"),
    "short_float": Family("percent", "float sold short", "fundamentals"),
    "pe": Family("ratio", "price to earnings of the last four quarters", "fundamentals"),
    "eps_growth": Family("percent", "growth of earnings per share over a year", "fundamentals"),
    "dividend_yield": Family("percent", "dividends of a year against the price", "fundamentals"),
}
_WINDOWED = re.compile(r"^(?P<family>[a-z_]+[a-z])_(?P<window>[1-9][0-9]*)$")


@dataclass(frozen=True)
class Feature:
    """One feature as a profile names it."""

    name: str
    family: str
    window: int | None
    unit: str
    need: Need
    kind: Kind

    @property
    def sessions(self) -> int:
        """Sessions of day bars it cannot be computed without."""
        if self.need in ("earnings", "fundamentals"):
            return 1
        return max(1, (self.window or 0) + FAMILIES[self.family].extra_sessions)


def feature(name: str) -> Feature | None:
    """The feature of that name, such as `rsi_14`, `return_5` or `price`; None where there is none."""
    family, window = name, None
    if name not in FAMILIES:
        match = _WINDOWED.match(name)
        if match is None or match["family"] not in FAMILIES:
            return None
        family, window = match["family"], int(match["window"])
        lowest = 2 if family in ("volatility", "rsi") else 1
        if FAMILIES[family].window is None or not lowest <= window <= MAX_WINDOW:
            return None
    about = FAMILIES[family]
    return Feature(name, family, window or about.window, about.unit, about.need, about.kind)


def known_names() -> tuple[str, ...]:
    """Every bare name, and those with a window as people write them, to suggest from."""
    windows = {
        "return": (1, 5, 10, 21, 63, 126, 252),
        "rsi": (2, 14),
        "distance_to_sma": (20, 50, 200),
        "distance_to_high": (20, 252),
        "distance_to_low": (20, 252),
    }
    names = list(FAMILIES)
    for family, about in FAMILIES.items():
        if about.window is not None:
            names += [f"{family}_{n}" for n in windows.get(family, (about.window,))]
    return tuple(names)


def units_for(unit: str) -> tuple[str, ...]:
    """The units that fit a feature measured in `unit`."""
    return tuple(name for name, (base, _) in UNITS.items() if base == unit)
