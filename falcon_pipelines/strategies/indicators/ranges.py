"""Ranges and channels: how far prices move, and between which levels."""

import talib

from falcon_pipelines.strategies.indicators.base import Column, Indicator, Values, count


def _atr(bars: Column, period: int) -> tuple[Values, ...]:
    return (talib.ATR(bars.high, bars.low, bars.close, period),)


def _highest(bars: Column, period: int) -> tuple[Values, ...]:
    return (bars.source if period == 1 else talib.MAX(bars.source, period),)


def _lowest(bars: Column, period: int) -> tuple[Values, ...]:
    return (bars.source if period == 1 else talib.MIN(bars.source, period),)


INDICATORS = (
    Indicator(
        name="atr",
        title="average true range",
        convention="Wilder: true range smoothed with alpha 1/period, started with the mean of the first",
        compute=_atr,
        lookback=lambda period: period,
        parameters=(count("period", 14, low=1),),
        inputs=("high", "low", "close"),
    ),
    Indicator(
        name="highest",
        title="highest value",
        convention="largest of the last `period` values, the current one included",
        compute=_highest,
        lookback=lambda period: period - 1,
        parameters=(count("period", low=1),),
    ),
    Indicator(
        name="lowest",
        title="lowest value",
        convention="smallest of the last `period` values, the current one included",
        compute=_lowest,
        lookback=lambda period: period - 1,
        parameters=(count("period", low=1),),
    ),
)
