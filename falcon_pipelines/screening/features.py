"""What a profile can filter and rank by: numbers of each ticker at the close of one session.

Each feature looks only at the panel's last bar and what came before it; a ticker without a bar on the last
session, or with too short a history for a feature, has NaN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars.panel import Panel

Values = NDArray[np.float64]
HISTORY = 260
"""Sessions of history that cover the longest feature."""


@dataclass(frozen=True)
class Feature:
    """A named number per ticker, with its unit: usd, shares, ratio, percent or points."""

    unit: str
    meaning: str
    compute: Callable[[Panel], Values]


def compute_features(panel: Panel, names: tuple[str, ...]) -> Mapping[str, Values]:
    """The named features at the panel's last bar, each (N,)."""
    return {name: FEATURES[name].compute(panel) for name in names}


def average_true_range(panel: Panel, period: int = 14) -> Values:
    """Wilder's ATR at the last bar, (N,) US dollars (Wilder 1978; TA-Lib's ATR)."""
    import talib

    return _per_ticker(
        panel,
        lambda bars: talib.ATR(bars["high"], bars["low"], bars["close"], timeperiod=period),
        at_least=period + 1,
    )


def _rsi(period: int) -> Callable[[Panel], Values]:
    def compute(panel: Panel) -> Values:
        import talib

        return _per_ticker(panel, lambda bars: talib.RSI(bars["close"], timeperiod=period), period + 1)

    return compute


def _per_ticker(panel: Panel, indicator: Callable[[Mapping[str, Values]], Values], at_least: int) -> Values:
    """The indicator's last value over each ticker's own bars, so that a halted day leaves no hole."""
    result = np.full(len(panel.tickers), np.nan)
    traded = np.isfinite(panel["close"])
    for column in np.flatnonzero(traded[-1]):
        rows = traded[:, column]
        if np.count_nonzero(rows) >= at_least:
            result[column] = indicator({name: v[rows, column] for name, v in panel.fields.items()})[-1]
    return result


def _return_over(bars: int) -> Callable[[Panel], Values]:
    def compute(panel: Panel) -> Values:
        if len(panel) <= bars:
            return np.full(len(panel.tickers), np.nan)
        close = panel["close"]
        change: Values = (close[-1] / close[-1 - bars] - 1) * 100
        return change

    return compute


def _average(values: Values, bars: int) -> Values:
    """Mean of the last `bars` rows per column; NaN where any is missing."""
    if len(values) < bars:
        return np.full(values.shape[1], np.nan)
    mean: Values = values[-bars:].mean(axis=0)
    return mean


def _last(field: str) -> Callable[[Panel], Values]:
    return lambda panel: panel[field][-1]


def _dollar_volume(panel: Panel) -> Values:
    return _traded_average(panel["close"] * panel["volume"], 20)


def _average_volume(panel: Panel) -> Values:
    return _traded_average(panel["volume"], 20)


def _traded_average(values: Values, bars: int) -> Values:
    """Mean over the last `bars` rows, a day without trading counting as zero; NaN for too short a history."""
    if len(values) < bars:
        return np.full(values.shape[1], np.nan)
    mean: Values = np.nan_to_num(values[-bars:]).mean(axis=0)
    return mean


def _relative_volume(panel: Panel) -> Values:
    if len(panel) < 21:
        return np.full(len(panel.tickers), np.nan)
    usual = _traded_average(panel["volume"][:-1], 20)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Values = np.where(usual > 0, panel["volume"][-1] / usual, np.nan)
    return ratio


def _gap(panel: Panel) -> Values:
    if len(panel) < 2:
        return np.full(len(panel.tickers), np.nan)
    gap: Values = (panel["open"][-1] / panel["close"][-2] - 1) * 100
    return gap


def _distance_to_high(bars: int) -> Callable[[Panel], Values]:
    def compute(panel: Panel) -> Values:
        if len(panel) < bars:
            return np.full(len(panel.tickers), np.nan)
        with np.errstate(invalid="ignore"):
            highest = np.fmax.reduce(panel["high"][-bars:], axis=0)
        seen_first = np.isfinite(panel["close"][-bars])
        return np.where(seen_first, (panel["close"][-1] / highest - 1) * 100, np.nan)

    return compute


def _distance_to_average(bars: int) -> Callable[[Panel], Values]:
    return lambda panel: (panel["close"][-1] / _average(panel["close"], bars) - 1) * 100


def _volatility(panel: Panel) -> Values:
    if len(panel) < 21:
        return np.full(len(panel.tickers), np.nan)
    returns = np.diff(np.log(panel["close"][-21:]), axis=0)
    deviation: Values = returns.std(axis=0, ddof=1) * np.sqrt(252) * 100
    return deviation


def _atr_percent(panel: Panel) -> Values:
    percent: Values = average_true_range(panel) / panel["close"][-1] * 100
    return percent


FEATURES: Mapping[str, Feature] = {
    "close": Feature("usd", "last close", _last("close")),
    "volume": Feature("shares", "shares traded on the session", _last("volume")),
    "average_volume_20": Feature("shares", "mean shares a session over 20 sessions", _average_volume),
    "dollar_volume_20": Feature("usd", "mean dollars traded a session over 20 sessions", _dollar_volume),
    "relative_volume": Feature(
        "ratio", "volume against the mean of the 20 sessions before", _relative_volume
    ),
    "gap": Feature("percent", "open against the close before", _gap),
    "return_1": Feature("percent", "change over 1 session", _return_over(1)),
    "return_5": Feature("percent", "change over 5 sessions", _return_over(5)),
    "return_21": Feature("percent", "change over 21 sessions", _return_over(21)),
    "return_63": Feature("percent", "change over 63 sessions", _return_over(63)),
    "return_126": Feature("percent", "change over 126 sessions", _return_over(126)),
    "distance_to_high_252": Feature("percent", "close against the 252-session high", _distance_to_high(252)),
    "distance_to_sma_20": Feature("percent", "close against its 20-session mean", _distance_to_average(20)),
    "distance_to_sma_200": Feature(
        "percent", "close against its 200-session mean", _distance_to_average(200)
    ),
    "rsi_14": Feature("points", "Wilder's RSI over 14 sessions", _rsi(14)),
    "volatility_20": Feature("percent", "annualised deviation of 20 daily log returns", _volatility),
    "atr_percent": Feature("percent", "Wilder's ATR over 14 sessions against the close", _atr_percent),
}
