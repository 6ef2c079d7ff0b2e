"""From the features of those that passed to one score: winsorise, percentile, weighted sum. Pure."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from falcon_pipelines.profiles.schema import Factor, Filter, Profile

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """`score` (n,) from 0 to 1 and, by factor key, each factor's `percentiles` (n,) and transformed `values` (n,)."""

    score: Values
    percentiles: dict[str, Values]
    values: dict[str, Values]
    weights: dict[str, float]


def passes(rule: Filter) -> pl.Expr:
    """Whether a row passes the filter; a missing value does not."""
    value = pl.col(rule.name)
    tests = []
    if rule.is_in is not None:
        tests.append(value.str.to_lowercase().is_in([word.lower() for word in rule.is_in]))
    if rule.not_in is not None:
        tests.append(~value.str.to_lowercase().is_in([word.lower() for word in rule.not_in]))
    scale = rule.scale
    if rule.above is not None:
        tests.append(value > rule.above * scale)
    if rule.at_least is not None:
        tests.append(value >= rule.at_least * scale)
    if rule.below is not None:
        tests.append(value < rule.below * scale)
    if rule.at_most is not None:
        tests.append(value <= rule.at_most * scale)
    return pl.all_horizontal(tests).fill_null(value=False)


def transformed(factor: Factor) -> pl.Expr:
    """The factor's values over the rows that are ranked together."""
    value = pl.col(factor.name)
    match factor.transform:
        case "log":
            return value.sign() * value.abs().log1p()
        case "absolute":
            return value.abs()
        case "sector_neutral":
            return value - value.median().over("sector")
    return value


def scores(profile: Profile, rows: pl.DataFrame) -> Scores:
    """The score of each row; a missing factor value stands at 0.5 (those that may not be were dropped before)."""
    total = sum(factor.weight for factor in profile.factors)
    made = rows.select(transformed(factor).alias(factor.key) for factor in profile.factors)
    values = {name: made[name].cast(pl.Float64).to_numpy().copy() for name in made.columns}
    percentiles = {
        factor.key: percentile_score(
            values[factor.key],
            higher_is_better=factor.direction == "higher",
            tail=profile.winsorise_percent / 100,
        )
        for factor in profile.factors
    }
    weights = {factor.key: factor.weight / total for factor in profile.factors}
    score = np.zeros(rows.height)
    for name, weight in weights.items():
        score += weight * percentiles[name]
    return Scores(score, percentiles, values, weights)


def percentile_score(values: Values, *, higher_is_better: bool, tail: float = 0.01) -> Values:
    """Winsorised values as percentile ranks from 0 to 1, best at 1; equals share their mean rank, NaN is 0.5."""
    result = np.full(len(values), 0.5)
    known = np.isfinite(values)
    if known.sum() < 2:
        return result
    there = values[known]
    low, high = np.quantile(there, [tail, 1 - tail])
    clipped = np.clip(there, low, high)
    _, inverse, counts = np.unique(clipped, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts + 1) / 2
    share = mean_rank[inverse] / (len(there) - 1)
    result[known] = share if higher_is_better else 1 - share
    return result
