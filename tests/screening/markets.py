"""Markets for the tests of screens: seeded ones of many tickers, and profiles to screen them with."""

from datetime import date

import numpy as np
import polars as pl

from falcon_pipelines.bars.calendar import midnight, sessions_from
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.profiles.schema import Profile
from falcon_pipelines.screening.market import Market, Reference

FIRST = date(2023, 1, 3)


def panel_of(
    close: np.ndarray, tickers: tuple[str, ...], *, first: date = FIRST, **fields: np.ndarray
) -> Panel:
    """Day bars on trading sessions; a dollar of range and a million shares unless given."""
    days = sessions_from(first, len(close))
    moments = np.array([midnight(day).replace(tzinfo=None) for day in days], dtype="datetime64[ns]")
    there = np.where(np.isfinite(close), 1.0, np.nan)
    defaults = {
        "open": close.copy(),
        "high": close + 0.5,
        "low": close - 0.5,
        "close": close,
        "volume": 1e6 * there,
    }
    return Panel(moments, tickers, defaults | fields, "day", "test-1")


def random_panel(tickers: tuple[str, ...], sessions: int = 260, seed: int = 1, first: date = FIRST) -> Panel:
    """Random walks that open, range and trade like stocks."""
    rng = np.random.default_rng(seed)
    shape = sessions, len(tickers)
    close = 30 * np.exp(np.cumsum(rng.normal(0.0003, 0.02, shape), axis=0))
    opened = close * np.exp(rng.normal(0, 0.004, shape))
    return panel_of(
        close,
        tickers,
        first=first,
        open=opened,
        high=np.maximum(close, opened) * 1.01,
        low=np.minimum(close, opened) * 0.99,
        volume=rng.lognormal(14, 0.7, shape),
    )


def names(count: int) -> tuple[str, ...]:
    """Tickers over the whole alphabet."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return tuple(f"{letters[i % 26]}{i:04d}" for i in range(count))


def last_session(panel: Panel) -> date:
    """The session of the panel's last row."""
    return panel.timestamps[-1].astype("datetime64[D]").item()


def market(panel: Panel, **changes: object) -> Market:
    """The panel as an evening run sees it."""
    return Market(last_session(panel), panel, **changes)  # type: ignore[arg-type]


def reference(tickers: tuple[str, ...], **columns: list[object]) -> Reference:
    """Reference data with these columns."""
    return Reference(pl.DataFrame({"ticker": list(tickers), **columns}), "csv", "csv-1")


def profile(**changes: object) -> Profile:
    """A profile on five-session returns, with changes."""
    fields: dict[str, object] = {
        "name": "test",
        "title": "Test",
        "theme": "test",
        "filters": [{"name": "price", "at_least": 5.0, "unit": "usd"}],
        "factors": [{"name": "return_5", "direction": "higher", "weight": 1.0}],
        "top_k": 3,
    }
    return Profile.model_validate(fields | changes)
