"""From features to picks: filter, score, rank, and set each pick's levels. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.errors import InputError
from falcon_pipelines.screening.features import average_true_range, compute_features
from falcon_pipelines.screening.profile import Filter, Profile

Values = NDArray[np.float64]
FACTOR_SCORE = "factor score, not AI"
_TAIL = 0.01
_TIE_SEED = 20240102


class NoBarsToScreen(InputError):
    """The session to screen has no bars."""


@dataclass(frozen=True)
class Pick:
    """One candidate, with what it was chosen for and where to enter, stop and take profit (US dollars)."""

    rank: int
    ticker: str
    score: float
    factors: Mapping[str, float]
    close: float
    entry_low: float
    entry_high: float
    stop: float
    target: float
    confidence: float | None
    judged_by: str


@dataclass(frozen=True)
class Screen:
    """The outcome of one profile on one session; `universe` counts the tickers that passed every filter."""

    profile: str
    session: date
    version: str
    universe: int
    picks: tuple[Pick, ...]
    synthetic: bool


def screen(profile: Profile, panel: Panel, session: date) -> Screen:
    """Rank the tickers of the panel's last bar, which must be `session`'s, by the profile.

    Raises NoBarsToScreen for an empty panel.
    """
    if len(panel) == 0 or not np.isfinite(panel["close"][-1]).any():
        raise NoBarsToScreen(f"there are no bars of {session} to screen; ingest that session first")
    features = compute_features(panel, profile.features)
    atr = average_true_range(panel)
    passes = np.isfinite(panel["close"][-1]) & (atr > 0)
    for rule in profile.filters:
        passes &= _within(features[rule.feature], rule)
    for factor in profile.factors:
        passes &= np.isfinite(features[factor.feature])
    chosen = np.flatnonzero(passes)
    total = np.zeros(len(chosen))
    for factor in profile.factors:
        total += factor.weight * percentile_score(
            features[factor.feature][chosen], higher_is_better=factor.direction == "higher"
        )
    total /= sum(factor.weight for factor in profile.factors)
    order = sorted(
        range(len(chosen)),
        key=lambda i: (-round(float(total[i]), 12), _tie(panel.tickers[chosen[i]], session)),
    )
    picks = tuple(
        _pick(profile, panel, features, atr, rank, int(chosen[i]), float(total[i]))
        for rank, i in enumerate(order[: profile.top_k], start=1)
    )
    return Screen(profile.name, session, panel.version, len(chosen), picks, panel.synthetic)


def percentile_score(values: Values, *, higher_is_better: bool) -> Values:
    """Winsorised values as percentile ranks from 0 to 1 (ties share their mean rank), best at 1."""
    if len(values) == 0:
        return values
    if len(values) == 1:
        return np.array([0.5])
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    clipped = np.clip(values, low, high)
    _, inverse, counts = np.unique(clipped, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts + 1) / 2
    share: Values = mean_rank[inverse] / (len(values) - 1)
    return share if higher_is_better else 1 - share


def _within(values: Values, rule: Filter) -> NDArray[np.bool_]:
    passes = np.isfinite(values)
    if rule.at_least is not None:
        passes &= values >= rule.at_least
    if rule.at_most is not None:
        passes &= values <= rule.at_most
    return passes


def _tie(ticker: str, session: date) -> bytes:
    """Orders equal scores by a seeded hash, so that the alphabet favours nobody."""
    return hashlib.blake2b(f"{_TIE_SEED}|{session}|{ticker}".encode(), digest_size=8).digest()


def _pick(
    profile: Profile,
    panel: Panel,
    features: Mapping[str, Values],
    atr: Values,
    rank: int,
    column: int,
    score: float,
) -> Pick:
    close, reach = float(panel["close"][-1, column]), float(atr[column])
    levels = profile.levels
    return Pick(
        rank=rank,
        ticker=panel.tickers[column],
        score=round(score, 6),
        factors={f.feature: round(float(features[f.feature][column]), 6) for f in profile.factors},
        close=close,
        entry_low=round(close - levels.entry_atr * reach, 6),
        entry_high=round(close + levels.entry_atr * reach, 6),
        stop=round(max(close - levels.stop_atr * reach, 0.0001), 6),
        target=round(close + levels.target_atr * reach, 6),
        confidence=None,
        judged_by=FACTOR_SCORE,
    )
