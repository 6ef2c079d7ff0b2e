"""Indicators of volume, and of where in a bar's range the volume traded."""

import numpy as np

from falcon_pipelines.strategies.indicators.base import Column, Indicator, Values, count, lagged, mean, ratio
from falcon_pipelines.strategies.indicators.ta_lib import talib

HLCV = ("high", "low", "close", "volume")


def _volume_ratio(bars: Column, period: int) -> tuple[Values, ...]:
    return (ratio(bars.volume, lagged(mean(bars.volume, period), 1)),)


def _money_flow(bars: Column, period: int) -> tuple[Values, ...]:
    spread = bars.high - bars.low
    place = np.where(spread > 0, ratio(2 * bars.close - bars.high - bars.low, spread), 0.0)
    return (ratio(mean(place * bars.volume, period), mean(bars.volume, period)),)


INDICATORS = (
    Indicator(
        name="volume_ratio",
        title="volume against its average",
        convention="volume divided by the mean volume of the `period` bars before, the current one excluded",
        compute=_volume_ratio,
        lookback=lambda period: period,
        parameters=(count("period", 20, low=1),),
        inputs=("volume",),
    ),
    Indicator(
        name="obv",
        title="on-balance volume",
        convention="Granville: running sum of volume signed by the change of the source; only its "
        "changes mean something",
        compute=lambda bars: (talib.OBV(bars.source, bars.volume),),
        lookback=lambda: 0,
        inputs=("source", "volume"),
    ),
    Indicator(
        name="accumulation_distribution",
        title="accumulation/distribution line",
        convention="Chaikin: running sum of volume x place of the close in the bar; only its changes "
        "mean something",
        compute=lambda bars: (talib.AD(bars.high, bars.low, bars.close, bars.volume),),
        lookback=lambda: 0,
        inputs=HLCV,
    ),
    Indicator(
        name="chaikin_oscillator",
        title="Chaikin oscillator",
        convention="EMA(fast) - EMA(slow) of the accumulation/distribution line, EMAs started at its "
        "first value",
        compute=lambda bars, fast, slow: (
            talib.ADOSC(bars.high, bars.low, bars.close, bars.volume, fast, slow),
        ),
        lookback=lambda fast, slow: max(fast, slow) - 1,
        parameters=(count("fast", 3), count("slow", 10)),
        inputs=HLCV,
    ),
    Indicator(
        name="chaikin_money_flow",
        title="Chaikin money flow",
        convention="volume x place of the close in the bar, summed over `period`, over the volume; -1 to 1",
        compute=_money_flow,
        lookback=lambda period: period - 1,
        parameters=(count("period", 20, low=1),),
        inputs=HLCV,
    ),
    Indicator(
        name="mfi",
        title="money flow index",
        convention="Quong and Soudack: RSI of typical price x volume, plain sums over `period`; 0 to 100",
        compute=lambda bars, period: (talib.MFI(bars.high, bars.low, bars.close, bars.volume, period),),
        lookback=lambda period: period,
        parameters=(count("period", 14),),
        inputs=HLCV,
    ),
)
