"""Indicators of volume, and of price weighted by it."""

import numpy as np
import talib

from falcon_pipelines.strategies.indicators.base import Column, Indicator, Values, count


def _volume_ratio(bars: Column, period: int) -> tuple[Values, ...]:
    average = bars.volume if period == 1 else talib.SMA(bars.volume, period)
    usual = np.full(len(bars), np.nan)
    usual[1:] = np.where(average[:-1] > 0, average[:-1], np.nan)
    return (bars.volume / usual,)


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
)
