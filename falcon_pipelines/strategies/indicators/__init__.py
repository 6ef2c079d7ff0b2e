"""The registry: every indicator by name, with its convention, parameters, outputs and function."""

from falcon_pipelines.strategies.indicators import averages, candles, day_levels, oscillators, ranges, volumes
from falcon_pipelines.strategies.indicators.base import Column, Indicator, IndicatorParameter

INDICATORS: dict[str, Indicator] = {
    indicator.name: indicator
    for family in (averages, oscillators, ranges, volumes, day_levels, candles)
    for indicator in family.INDICATORS
}

__all__ = ["INDICATORS", "Column", "Indicator", "IndicatorParameter"]
