"""Moving averages, and the lines and bands read straight off them."""

import math

import numpy as np

from falcon_pipelines.strategies.indicators.base import (
    Column,
    Indicator,
    Values,
    count,
    mean,
    positive,
    ratio,
)
from falcon_pipelines.strategies.indicators.ta_lib import MA_Type, talib


def _macd(bars: Column, fast: int, slow: int, signal: int) -> tuple[Values, ...]:
    line, average, histogram = talib.MACD(bars.source, fast, slow, signal)
    return line, average, histogram


def _bollinger(bars: Column, period: int, deviations: float) -> tuple[Values, ...]:
    upper, middle, lower = talib.BBANDS(bars.source, period, deviations, deviations)
    return upper, middle, lower, ratio(bars.source - lower, upper - lower), ratio(upper - lower, middle)


def _hma(bars: Column, period: int) -> tuple[Values, ...]:
    half = talib.WMA(bars.source, period // 2) if period > 3 else bars.source
    raw = 2 * half - talib.WMA(bars.source, period)
    root = math.isqrt(period)
    return (talib.WMA(raw, root) if root > 1 else raw,)


def _zscore(bars: Column, period: int) -> tuple[Values, ...]:
    return (ratio(bars.source - mean(bars.source, period), talib.STDDEV(bars.source, period)),)


def _vwma(bars: Column, period: int) -> tuple[Values, ...]:
    return (ratio(mean(bars.source * bars.volume, period), mean(bars.volume, period)),)


def _ema(values: Values, period: int) -> Values:
    return values if period == 1 else np.asarray(talib.EMA(values, period))


INDICATORS = (
    Indicator(
        name="sma",
        title="simple moving average",
        convention="mean of the last `period` values; first value on bar `period`",
        compute=lambda bars, period: (mean(bars.source, period),),
        lookback=lambda period: period - 1,
        parameters=(count("period", low=1),),
    ),
    Indicator(
        name="ema",
        title="exponential moving average",
        convention="alpha 2/(period+1), started with the SMA of the first `period` values (TA-Lib)",
        compute=lambda bars, period: (_ema(bars.source, period),),
        lookback=lambda period: period - 1,
        parameters=(count("period", low=1),),
    ),
    Indicator(
        name="wma",
        title="weighted moving average",
        convention="linear weights, the newest value weighs `period` times the oldest",
        compute=lambda bars, period: (talib.WMA(bars.source, period),),
        lookback=lambda period: period - 1,
        parameters=(count("period"),),
    ),
    Indicator(
        name="dema",
        title="double exponential moving average",
        convention="Mulloy: 2 EMA - EMA(EMA)",
        compute=lambda bars, period: (talib.DEMA(bars.source, period),),
        lookback=lambda period: 2 * (period - 1),
        parameters=(count("period"),),
    ),
    Indicator(
        name="tema",
        title="triple exponential moving average",
        convention="Mulloy: 3 EMA - 3 EMA(EMA) + EMA(EMA(EMA))",
        compute=lambda bars, period: (talib.TEMA(bars.source, period),),
        lookback=lambda period: 3 * (period - 1),
        parameters=(count("period"),),
    ),
    Indicator(
        name="trima",
        title="triangular moving average",
        convention="weights rise to the middle of the window and fall again",
        compute=lambda bars, period: (talib.TRIMA(bars.source, period),),
        lookback=lambda period: period - 1,
        parameters=(count("period"),),
    ),
    Indicator(
        name="kama",
        title="Kaufman adaptive moving average",
        convention="Kaufman: efficiency ratio over `period`, smoothing between EMA 2 and EMA 30",
        compute=lambda bars, period: (talib.KAMA(bars.source, period),),
        lookback=lambda period: period,
        parameters=(count("period", 10),),
    ),
    Indicator(
        name="hma",
        title="Hull moving average",
        convention="Hull: WMA(2 WMA(period/2) - WMA(period), sqrt(period)), both rounded down",
        compute=_hma,
        lookback=lambda period: period - 1 + math.isqrt(period) - 1,
        parameters=(count("period"),),
    ),
    Indicator(
        name="vwma",
        title="volume-weighted moving average",
        convention="sum of value x volume over the last `period` bars, divided by their volume",
        compute=_vwma,
        lookback=lambda period: period - 1,
        parameters=(count("period", 20, low=1),),
        inputs=("source", "volume"),
    ),
    Indicator(
        name="linreg",
        title="linear regression",
        convention="least-squares line through the last `period` values: its end `value` and `slope` per bar",
        compute=lambda bars, period: (
            talib.LINEARREG(bars.source, period),
            talib.LINEARREG_SLOPE(bars.source, period),
        ),
        lookback=lambda period: period - 1,
        parameters=(count("period", 14),),
        outputs=("value", "slope"),
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
        name="ppo",
        title="percentage price oscillator",
        convention="100 x (EMA(fast) - EMA(slow)) / EMA(slow)",
        compute=lambda bars, fast, slow: (talib.PPO(bars.source, fast, slow, MA_Type.EMA),),
        lookback=lambda fast, slow: max(fast, slow) - 1,
        parameters=(count("fast", 12), count("slow", 26)),
    ),
    Indicator(
        name="trix",
        title="TRIX",
        convention="Hutson: one-bar change, in percent, of a triple EMA",
        compute=lambda bars, period: (talib.TRIX(bars.source, period),),
        lookback=lambda period: 3 * (period - 1) + 1,
        parameters=(count("period", 15),),
    ),
    Indicator(
        name="bollinger",
        title="Bollinger bands",
        convention="SMA plus and minus `deviations` standard deviations (ddof 0, as Bollinger and TA-Lib); "
        "percent_b is 0 at the lower and 1 at the upper band, bandwidth is their distance over the middle",
        compute=_bollinger,
        lookback=lambda period, deviations: period - 1,
        parameters=(count("period", 20), positive("deviations", 2.0)),
        outputs=("upper", "middle", "lower", "percent_b", "bandwidth"),
    ),
    Indicator(
        name="stddev",
        title="standard deviation",
        convention="of the last `period` values, population (ddof 0)",
        compute=lambda bars, period: (talib.STDDEV(bars.source, period),),
        lookback=lambda period: period - 1,
        parameters=(count("period", 20),),
    ),
    Indicator(
        name="zscore",
        title="z-score",
        convention="distance from the SMA in standard deviations (ddof 0); unknown where they are zero",
        compute=_zscore,
        lookback=lambda period: period - 1,
        parameters=(count("period", 20),),
    ),
)
