"""Ranges, channels and trailing lines: how far prices move, and between which levels."""

import numpy as np

from falcon_pipelines.strategies.indicators.base import (
    Column,
    Indicator,
    Values,
    count,
    highest,
    lagged,
    lowest,
    positive,
)
from falcon_pipelines.strategies.indicators.ta_lib import talib

HLC = ("high", "low", "close")


def _donchian(bars: Column, period: int) -> tuple[Values, ...]:
    upper = lagged(highest(bars.high, period), 1)
    lower = lagged(lowest(bars.low, period), 1)
    return upper, (upper + lower) / 2, lower


def _keltner(bars: Column, period: int, atr_period: int, multiple: float) -> tuple[Values, ...]:
    middle = talib.EMA(bars.source, period)
    reach = multiple * talib.ATR(bars.high, bars.low, bars.close, atr_period)
    return middle + reach, middle, middle - reach


def _chandelier(bars: Column, period: int, multiple: float) -> tuple[Values, ...]:
    reach = multiple * talib.ATR(bars.high, bars.low, bars.close, period)
    return highest(bars.high, period) - reach, lowest(bars.low, period) + reach


def _supertrend(bars: Column, period: int, multiple: float) -> tuple[Values, ...]:
    reach = multiple * talib.ATR(bars.high, bars.low, bars.close, period)
    middle = (bars.high + bars.low) / 2
    line, trend = np.full(len(bars), np.nan), np.full(len(bars), np.nan)
    basic_upper, basic_lower, close = (
        (middle + reach).tolist(),
        (middle - reach).tolist(),
        bars.close.tolist(),
    )
    upper, lower, direction = basic_upper[period], basic_lower[period], -1.0
    for bar in range(period, len(bars)):
        before = close[bar - 1]
        if basic_upper[bar] < upper or before > upper:
            upper = basic_upper[bar]
        if basic_lower[bar] > lower or before < lower:
            lower = basic_lower[bar]
        if direction < 0 and close[bar] > upper:
            direction = 1.0
        elif direction > 0 and close[bar] < lower:
            direction = -1.0
        line[bar] = lower if direction > 0 else upper
        trend[bar] = direction
    return line, trend


def _ichimoku(bars: Column, conversion: int, base: int, span: int) -> tuple[Values, ...]:
    def middle(period: int) -> Values:
        return (highest(bars.high, period) + lowest(bars.low, period)) / 2

    conversion_line, base_line = middle(conversion), middle(base)
    return (
        conversion_line,
        base_line,
        lagged((conversion_line + base_line) / 2, base),
        lagged(middle(span), base),
    )


INDICATORS = (
    Indicator(
        name="atr",
        title="average true range",
        convention="Wilder: true range smoothed with alpha 1/period, started with the mean of the first",
        compute=lambda bars, period: (talib.ATR(bars.high, bars.low, bars.close, period),),
        lookback=lambda period: period,
        parameters=(count("period", 14, low=1),),
        inputs=HLC,
    ),
    Indicator(
        name="natr",
        title="ATR in percent of the close",
        convention="100 x Wilder's ATR / close",
        compute=lambda bars, period: (talib.NATR(bars.high, bars.low, bars.close, period),),
        lookback=lambda period: period,
        parameters=(count("period", 14, low=1),),
        inputs=HLC,
    ),
    Indicator(
        name="true_range",
        title="true range",
        convention="Wilder: the bar's range, extended to the close before",
        compute=lambda bars: (talib.TRANGE(bars.high, bars.low, bars.close),),
        lookback=lambda: 1,
        inputs=HLC,
    ),
    Indicator(
        name="highest",
        title="highest value",
        convention="largest of the last `period` values, the current one included",
        compute=lambda bars, period: (highest(bars.source, period),),
        lookback=lambda period: period - 1,
        parameters=(count("period", low=1),),
    ),
    Indicator(
        name="lowest",
        title="lowest value",
        convention="smallest of the last `period` values, the current one included",
        compute=lambda bars, period: (lowest(bars.source, period),),
        lookback=lambda period: period - 1,
        parameters=(count("period", low=1),),
    ),
    Indicator(
        name="typical_price",
        title="typical price",
        convention="(high + low + close) / 3",
        compute=lambda bars: (talib.TYPPRICE(bars.high, bars.low, bars.close),),
        lookback=lambda: 0,
        inputs=HLC,
    ),
    Indicator(
        name="median_price",
        title="median price",
        convention="(high + low) / 2",
        compute=lambda bars: (talib.MEDPRICE(bars.high, bars.low),),
        lookback=lambda: 0,
        inputs=("high", "low"),
    ),
    Indicator(
        name="donchian",
        title="Donchian channel",
        convention="Donchian: highest high and lowest low of the `period` bars before the current one, "
        "so that a "
        "close can be beyond them",
        compute=_donchian,
        lookback=lambda period: period,
        parameters=(count("period", 20, low=1),),
        outputs=("upper", "middle", "lower"),
        inputs=("high", "low"),
    ),
    Indicator(
        name="keltner",
        title="Keltner channel",
        convention="Raschke: EMA of the source plus and minus `multiple` x Wilder's ATR",
        compute=_keltner,
        lookback=lambda period, atr_period, multiple: (
            max(period - 1, atr_period),
            period - 1,
            max(period - 1, atr_period),
        ),
        parameters=(count("period", 20), count("atr_period", 10, low=1), positive("multiple", 2.0)),
        outputs=("upper", "middle", "lower"),
        inputs=("source", "high", "low", "close"),
    ),
    Indicator(
        name="chandelier",
        title="chandelier exit",
        convention="LeBeau: highest high less, and lowest low plus, `multiple` x Wilder's ATR",
        compute=_chandelier,
        lookback=lambda period, multiple: period,
        parameters=(count("period", 22, low=1), positive("multiple", 3.0)),
        outputs=("long", "short"),
        inputs=HLC,
    ),
    Indicator(
        name="supertrend",
        title="Supertrend",
        convention="Seban: (high + low)/2 plus and minus `multiple` x Wilder's ATR, ratcheted; starts as a "
        "downtrend; direction is 1 up, -1 down",
        compute=_supertrend,
        lookback=lambda period, multiple: period,
        parameters=(count("period", 10, low=1), positive("multiple", 3.0)),
        outputs=("line", "direction"),
        inputs=HLC,
    ),
    Indicator(
        name="ichimoku",
        title="Ichimoku",
        convention="Hosoda: middles of the ranges; spans as drawn under the current bar, so computed "
        "`base` bars "
        "ago; no lagging span, which is the close drawn in the past",
        compute=_ichimoku,
        lookback=lambda conversion, base, span: (
            conversion - 1,
            base - 1,
            max(conversion, base) - 1 + base,
            span - 1 + base,
        ),
        parameters=(count("conversion", 9, low=1), count("base", 26, low=1), count("span", 52, low=1)),
        outputs=("conversion", "base", "span_a", "span_b"),
        inputs=("high", "low"),
    ),
    Indicator(
        name="psar",
        title="parabolic stop and reverse",
        convention="Wilder: acceleration `step` per new extreme, at most `maximum`; first direction from "
        "the first "
        "two bars",
        compute=lambda bars, step, maximum: (talib.SAR(bars.high, bars.low, step, maximum),),
        lookback=lambda step, maximum: 1,
        parameters=(positive("step", 0.02, 1), positive("maximum", 0.2, 1)),
        inputs=("high", "low"),
    ),
)
