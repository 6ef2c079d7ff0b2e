"""Oscillators: momentum and trend strength on a bounded or centred scale."""

import numpy as np

from falcon_pipelines.strategies.indicators.base import Column, Indicator, Values, count, ratio
from falcon_pipelines.strategies.indicators.ta_lib import MA_Type, talib

HLC = ("high", "low", "close")


def _stoch(bars: Column, period: int, smooth_k: int, smooth_d: int) -> tuple[Values, ...]:
    return _smoothed_stochastic(bars.high, bars.low, bars.close, period, smooth_k, smooth_d)


def _stoch_rsi(
    bars: Column, rsi_period: int, period: int, smooth_k: int, smooth_d: int
) -> tuple[Values, ...]:
    rsi = talib.RSI(bars.source, rsi_period)
    return _smoothed_stochastic(rsi, rsi, rsi, period, smooth_k, smooth_d)


def _smoothed_stochastic(
    high: Values, low: Values, close: Values, period: int, smooth_k: int, smooth_d: int
) -> tuple[Values, ...]:
    k, d = talib.STOCH(
        high, low, close, period, smooth_k, MA_Type.SMA, smooth_d, MA_Type.SMA
    )  # fmt: skip
    return k, d


def _adx(bars: Column, period: int) -> tuple[Values, ...]:
    arrays = (bars.high, bars.low, bars.close, period)
    return talib.ADX(*arrays), talib.PLUS_DI(*arrays), talib.MINUS_DI(*arrays)


def _aroon(bars: Column, period: int) -> tuple[Values, ...]:
    down, up = talib.AROON(bars.high, bars.low, period)
    return up, down, up - down


def _streak(bars: Column) -> tuple[Values, ...]:
    signs = np.zeros(len(bars))
    signs[1:] = np.sign(np.diff(bars.source))
    changed = np.r_[True, signs[1:] != signs[:-1]]
    starts = np.maximum.accumulate(np.where(changed, np.arange(len(signs)), 0))
    return (signs * (np.arange(len(signs)) - starts + 1.0),)


def _percent_rank(bars: Column, period: int) -> tuple[Values, ...]:
    below = np.zeros(len(bars))
    for lag in range(1, period + 1):
        below[lag:] += bars.source[:-lag] < bars.source[lag:]
    below[:period] = np.nan
    return (100.0 * below / period,)


INDICATORS = (
    Indicator(
        name="rsi",
        title="relative strength index",
        convention="Wilder smoothing (alpha 1/period), started with the mean of the first changes; 0 to 100",
        compute=lambda bars, period: (talib.RSI(bars.source, period),),
        lookback=lambda period: period,
        parameters=(count("period", 14),),
    ),
    Indicator(
        name="stoch",
        title="stochastic oscillator",
        convention="Lane: place of the close in the range of `period` bars, 0 to 100; k and d smoothed "
        "by SMA; "
        "smooth_k 1 is the fast one",
        compute=_stoch,
        lookback=lambda period, smooth_k, smooth_d: period + smooth_k + smooth_d - 3,
        parameters=(count("period", 14, low=1), count("smooth_k", 3, low=1), count("smooth_d", 3, low=1)),
        outputs=("k", "d"),
        inputs=HLC,
    ),
    Indicator(
        name="stoch_rsi",
        title="stochastic RSI",
        convention="Chande and Kroll: stochastic of Wilder's RSI, 0 to 100, k and d smoothed by SMA (as "
        "charting "
        "sites draw it; TA-Lib's own STOCHRSI does not smooth k)",
        compute=_stoch_rsi,
        lookback=lambda rsi_period, period, smooth_k, smooth_d: rsi_period + period + smooth_k + smooth_d - 3,
        parameters=(
            count("rsi_period", 14),
            count("period", 14, low=1),
            count("smooth_k", 3, low=1),
            count("smooth_d", 3, low=1),
        ),
        outputs=("k", "d"),
    ),
    Indicator(
        name="cci",
        title="commodity channel index",
        convention="Lambert: typical price from its SMA, over 0.015 x mean absolute deviation",
        compute=lambda bars, period: (talib.CCI(bars.high, bars.low, bars.close, period),),
        lookback=lambda period: period - 1,
        parameters=(count("period", 20),),
        inputs=HLC,
    ),
    Indicator(
        name="williams_r",
        title="Williams %R",
        convention="Williams: place of the close in the range of `period` bars, -100 to 0",
        compute=lambda bars, period: (talib.WILLR(bars.high, bars.low, bars.close, period),),
        lookback=lambda period: period - 1,
        parameters=(count("period", 14),),
        inputs=HLC,
    ),
    Indicator(
        name="roc",
        title="rate of change",
        convention="change over `period` bars in percent",
        compute=lambda bars, period: (talib.ROC(bars.source, period),),
        lookback=lambda period: period,
        parameters=(count("period", 10, low=1),),
    ),
    Indicator(
        name="momentum",
        title="momentum",
        convention="change over `period` bars in the units of the source",
        compute=lambda bars, period: (talib.MOM(bars.source, period),),
        lookback=lambda period: period,
        parameters=(count("period", 10, low=1),),
    ),
    Indicator(
        name="cmo",
        title="Chande momentum oscillator",
        convention="sum of gains less losses over their total, Wilder-smoothed (TA-Lib); -100 to 100",
        compute=lambda bars, period: (talib.CMO(bars.source, period),),
        lookback=lambda period: period,
        parameters=(count("period", 14),),
    ),
    Indicator(
        name="adx",
        title="average directional index",
        convention="Wilder: DI+ and DI- over `period`, adx the Wilder average of their difference over "
        "their sum",
        compute=_adx,
        lookback=lambda period: (2 * period - 1, period, period),
        parameters=(count("period", 14),),
        outputs=("adx", "plus_di", "minus_di"),
        inputs=HLC,
    ),
    Indicator(
        name="aroon",
        title="Aroon",
        convention="Chande: bars since the highest high (up) and lowest low (down) of `period`+1 bars, 0 "
        "to 100",
        compute=_aroon,
        lookback=lambda period: period,
        parameters=(count("period", 14),),
        outputs=("up", "down", "oscillator"),
        inputs=("high", "low"),
    ),
    Indicator(
        name="ultimate_oscillator",
        title="ultimate oscillator",
        convention="Williams: buying pressure over three periods, weighted 4, 2 and 1; 0 to 100",
        compute=lambda bars, short, medium, long: (
            talib.ULTOSC(bars.high, bars.low, bars.close, short, medium, long),
        ),
        lookback=lambda short, medium, long: max(short, medium, long),
        parameters=(count("short", 7, low=1), count("medium", 14, low=1), count("long", 28, low=1)),
        inputs=HLC,
    ),
    Indicator(
        name="balance_of_power",
        title="balance of power",
        convention="(close - open) / (high - low), 0 on a bar without range; -1 to 1",
        compute=lambda bars: (talib.BOP(bars.open, bars.high, bars.low, bars.close),),
        lookback=lambda: 0,
        inputs=("open", "high", "low", "close"),
    ),
    Indicator(
        name="ibs",
        title="internal bar strength",
        convention="(close - low) / (high - low), unknown on a bar without range; 0 to 1",
        compute=lambda bars: (ratio(bars.close - bars.low, bars.high - bars.low),),
        lookback=lambda: 0,
        inputs=HLC,
    ),
    Indicator(
        name="streak",
        title="run of rising or falling values",
        convention="3 on the third rise in a row, -2 on the second fall, and so on; unchanged values "
        "count as 0",
        compute=_streak,
        lookback=lambda: 0,
    ),
    Indicator(
        name="percent_rank",
        title="percent rank",
        convention="share of the `period` values before that are below the current one, 0 to 100",
        compute=_percent_rank,
        lookback=lambda period: period,
        parameters=(count("period", 100, low=1, high=1_000),),
    ),
)
