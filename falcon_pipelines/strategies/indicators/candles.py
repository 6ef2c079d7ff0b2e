"""Candlestick patterns, as TA-Lib recognises them."""

from collections.abc import Callable
from functools import cache

import numpy as np

from falcon_pipelines.strategies.indicators.base import Column, Indicator, IndicatorParameter, Values
from falcon_pipelines.strategies.indicators.ta_lib import abstract, talib
from falcon_pipelines.strategies.numbers import Bounds

PATTERNS = {
    "two_crows": "2CROWS",
    "three_black_crows": "3BLACKCROWS",
    "three_inside": "3INSIDE",
    "three_line_strike": "3LINESTRIKE",
    "three_outside": "3OUTSIDE",
    "three_stars_in_the_south": "3STARSINSOUTH",
    "three_white_soldiers": "3WHITESOLDIERS",
    "abandoned_baby": "ABANDONEDBABY",
    "advance_block": "ADVANCEBLOCK",
    "belt_hold": "BELTHOLD",
    "breakaway": "BREAKAWAY",
    "closing_marubozu": "CLOSINGMARUBOZU",
    "concealing_baby_swallow": "CONCEALBABYSWALL",
    "counterattack": "COUNTERATTACK",
    "dark_cloud_cover": "DARKCLOUDCOVER",
    "doji": "DOJI",
    "doji_star": "DOJISTAR",
    "dragonfly_doji": "DRAGONFLYDOJI",
    "engulfing": "ENGULFING",
    "evening_doji_star": "EVENINGDOJISTAR",
    "evening_star": "EVENINGSTAR",
    "gap_side_side_white": "GAPSIDESIDEWHITE",
    "gravestone_doji": "GRAVESTONEDOJI",
    "hammer": "HAMMER",
    "hanging_man": "HANGINGMAN",
    "harami": "HARAMI",
    "harami_cross": "HARAMICROSS",
    "high_wave": "HIGHWAVE",
    "hikkake": "HIKKAKE",
    "modified_hikkake": "HIKKAKEMOD",
    "homing_pigeon": "HOMINGPIGEON",
    "identical_three_crows": "IDENTICAL3CROWS",
    "in_neck": "INNECK",
    "inverted_hammer": "INVERTEDHAMMER",
    "kicking": "KICKING",
    "kicking_by_length": "KICKINGBYLENGTH",
    "ladder_bottom": "LADDERBOTTOM",
    "long_legged_doji": "LONGLEGGEDDOJI",
    "long_line": "LONGLINE",
    "marubozu": "MARUBOZU",
    "matching_low": "MATCHINGLOW",
    "mat_hold": "MATHOLD",
    "morning_doji_star": "MORNINGDOJISTAR",
    "morning_star": "MORNINGSTAR",
    "on_neck": "ONNECK",
    "piercing": "PIERCING",
    "rickshaw_man": "RICKSHAWMAN",
    "rising_falling_three_methods": "RISEFALL3METHODS",
    "separating_lines": "SEPARATINGLINES",
    "shooting_star": "SHOOTINGSTAR",
    "short_line": "SHORTLINE",
    "spinning_top": "SPINNINGTOP",
    "stalled_pattern": "STALLEDPATTERN",
    "stick_sandwich": "STICKSANDWICH",
    "takuri": "TAKURI",
    "tasuki_gap": "TASUKIGAP",
    "thrusting": "THRUSTING",
    "tri_star": "TRISTAR",
    "unique_three_river": "UNIQUE3RIVER",
    "upside_gap_two_crows": "UPSIDEGAP2CROWS",
    "up_down_gap_three_methods": "XSIDEGAP3METHODS",
}
PENETRATION = {
    "abandoned_baby": 0.3,
    "dark_cloud_cover": 0.5,
    "evening_doji_star": 0.3,
    "evening_star": 0.3,
    "mat_hold": 0.5,
    "morning_doji_star": 0.3,
    "morning_star": 0.3,
}


@cache
def _lookback(code: str) -> int:
    function = abstract.Function(f"CDL{code}")  # type: ignore[attr-defined]
    return int(function.lookback)


def _compute(code: str) -> Callable[..., tuple[Values, ...]]:
    function = getattr(talib, f"CDL{code}")

    def compute(bars: Column, **penetration: float) -> tuple[Values, ...]:
        found = function(bars.open, bars.high, bars.low, bars.close, **penetration).astype(np.float64)
        found[: _lookback(code)] = np.nan
        return (found,)

    return compute


def _pattern(name: str, code: str) -> Indicator:
    parameters: tuple[IndicatorParameter, ...] = ()
    if name in PENETRATION:
        parameters = (IndicatorParameter("penetration", Bounds(low=0, high=1), PENETRATION[name]),)
    return Indicator(
        name=f"candle_{name}",
        title=f"{name.replace('_', ' ')} candle",
        convention=f"TA-Lib CDL{code}, on its last bar: 100 bullish, -100 bearish (200 confirmed), 0 absent",
        compute=_compute(code),
        lookback=lambda **_: _lookback(code),
        parameters=parameters,
        inputs=("open", "high", "low", "close"),
    )


INDICATORS = tuple(_pattern(name, code) for name, code in PATTERNS.items())
