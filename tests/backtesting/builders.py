"""Small panels and signals for tests of the kernel."""

from collections.abc import Mapping, Sequence

import numpy as np

from falcon_pipelines.backtesting.kernel import REASONS
from falcon_pipelines.backtesting.parameters import FillParameters
from falcon_pipelines.backtesting.run import simulate_fills
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.strategies.signals import Signals

NO_BAR = (np.nan, np.nan, np.nan, np.nan)
FLAT = (100.0, 101.0, 99.0, 100.0)
Bar = tuple[float, float, float, float]


def panel_of(bars: Mapping[str, Sequence[Bar]], volume: float = 1_000_000.0) -> Panel:
    """Day bars (open, high, low, close) of some tickers from 2020-01-01 on, one calendar day apart."""
    table = np.array([bars[ticker] for ticker in bars], dtype=np.float64).transpose(1, 0, 2)
    days = np.datetime64("2020-01-01T05:00", "ns") + np.arange(len(table)) * np.timedelta64(1, "D")
    fields = {name: table[:, :, i].copy() for i, name in enumerate(("open", "high", "low", "close"))}
    fields["volume"] = np.where(np.isnan(fields["close"]), np.nan, volume)
    return Panel(timestamps=days, tickers=tuple(bars), fields=fields, frequency="day", version="test")


def signals_for(panel: Panel, **given: np.ndarray | Mapping[tuple[int, int], float | bool]) -> Signals:
    """Signals of the panel's shape: nothing but what is given, as whole arrays or as {(bar, column): value}."""
    shape = panel["close"].shape
    arrays: dict[str, np.ndarray] = {}
    for name in ("entry_long", "exit_long", "entry_short", "exit_short"):
        arrays[name] = np.zeros(shape, dtype=bool)
    for name in ("stop_distance", "stop_level_long", "stop_level_short", "volatility"):
        arrays[name] = np.full(shape, np.nan)
    arrays["rank"] = np.zeros(shape)
    for name, value in given.items():
        if isinstance(value, Mapping):
            for place, item in value.items():
                arrays[name][place] = item
        else:
            arrays[name] = value
    return Signals(**arrays, warm_up=0)


def parameters(**given: object) -> FillParameters:
    """Fill parameters with the given fields."""
    return FillParameters(**given)


def fills(
    panel: Panel, signals: Signals, p: FillParameters, cash: float = 100_000.0
) -> list[tuple[object, ...]]:
    """The kernel's fills as (bar, column, signed size, price, reason, ambiguous)."""
    orders = simulate_fills(panel, signals, p, cash).orders
    return [
        (bar, column, size, price, REASONS[reason], bool(odd))
        for bar, column, size, price, _, reason, odd in orders.tolist()
    ]
