"""Moving averages and what is read straight off them."""

import talib

from falcon_pipelines.strategies.indicators.base import Column, Indicator, Values, count, positive


def _sma(bars: Column, period: int) -> tuple[Values, ...]:
    return (bars.source if period == 1 else talib.SMA(bars.source, period),)


def _ema(bars: Column, period: int) -> tuple[Values, ...]:
    return (bars.source if period == 1 else talib.EMA(bars.source, period),)


def _macd(bars: Column, fast: int, slow: int, signal: int) -> tuple[Values, ...]:
    line, average, histogram = talib.MACD(bars.source, fast, slow, signal)
    return line, average, histogram


def _bollinger(bars: Column, period: int, deviations: float) -> tuple[Values, ...]:
    upper, middle, lower = talib.BBANDS(bars.source, period, deviations, deviations)
    return upper, middle, lower


INDICATORS = (
    Indicator(
        name="sma",
        title="simple moving average",
        convention="mean of the last `period` values; first value on bar `period`",
        compute=_sma,
        lookback=lambda period: period - 1,
        parameters=(count("period", low=1),),
    ),
    Indicator(
        name="ema",
        title="exponential moving average",
        convention="alpha 2/(period+1), started with the SMA of the first `period` values (TA-Lib)",
        compute=_ema,
        lookback=lambda period: period - 1,
        parameters=(count("period", low=1),),
    ),
    Indicator(
        name="macd",
        title="moving average convergence divergence",
        convention="Appel: EMA(fast) - EMA(slow), its EMA, their difference; both EMAs start on one bar",
        compute=_macd,
        lookback=lambda fast, slow, signal: max(fast, slow) + signal - 2,
        parameters=(count("fast", 12), count("slow", 26), count("signal", 9, low=1)),
        outputs=("line", "signal", "histogram"),
    ),
    Indicator(
        name="bollinger",
        title="Bollinger bands",
        convention="SMA plus and minus `deviations` standard deviations (ddof 0, as Bollinger and TA-Lib)",
        compute=_bollinger,
        lookback=lambda period, deviations: period - 1,
        parameters=(count("period", 20), positive("deviations", 2.0)),
        outputs=("upper", "middle", "lower"),
    ),
)
