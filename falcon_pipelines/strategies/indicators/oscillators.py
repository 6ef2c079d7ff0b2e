"""Oscillators: momentum on a bounded or centred scale."""

import talib

from falcon_pipelines.strategies.indicators.base import Column, Indicator, Values, count


def _rsi(bars: Column, period: int) -> tuple[Values, ...]:
    return (talib.RSI(bars.source, period),)


INDICATORS = (
    Indicator(
        name="rsi",
        title="relative strength index",
        convention="Wilder smoothing (alpha 1/period), started with the mean of the first changes; 0 to 100",
        compute=_rsi,
        lookback=lambda period: period,
        parameters=(count("period", 14),),
    ),
)
