"""Was it worth anything? A profile's picks against the pool they were chosen from, with n and intervals. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.screening.intervals import Estimate, estimate, wilson

Values = NDArray[np.float64]
PICKS_NEEDED = 100
HORIZONS_NEEDED = 6
PLACEBOS = 500
_SMALLEST_POOL = 10
_PLACEBO_LEVEL = 0.01
_PLACEBO_SEED = 20240103
_FIFTH = 5
_BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class ScoredRun:
    """A run whose horizon has closed: `scores` and `returns` (n,) of its pool, and which of it were picked.

    `returns` are fractions, NaN where a ticker could not be bought. `confidence` (k,) is the model's of each pick,
    NaN without one. `position` is the number of the entry session in the calendar.
    """

    entry: date
    exit: date
    position: int
    scores: Values
    returns: Values
    picked: NDArray[np.int64]
    benchmark: float | None
    confidence: Values
    percentiles: dict[str, Values]


@dataclass(frozen=True)
class Measure:
    """One number of the record. `value` and interval are None where it says `insufficient (n of N)`."""

    name: str
    meaning: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    needed: int
    separate_horizons: int
    state: str
    compared_with: float | None = None


@dataclass(frozen=True)
class Bin:
    """Picks by the confidence that was stated, and how many of them rose."""

    low: float
    high: float
    n: int
    stated: float | None
    observed: float | None
    observed_low: float | None
    observed_high: float | None


@dataclass(frozen=True)
class Record:
    """What a profile's picks came to. `verdict` is one sentence; `measures` have what it rests on."""

    runs: int
    picks: int
    separate_horizons: int
    verdict: str
    measures: tuple[Measure, ...]
    reliability: tuple[Bin, ...]
    placebo_p: float | None
    through: date | None


def record(runs: Sequence[ScoredRun], horizon: int, picks_needed: int = PICKS_NEEDED) -> Record:
    """The record over runs of one profile, oldest first.

    Picks and pool are compared within each run, then averaged over runs; intervals treat overlapping horizons as
    `intervals.estimate` says. Under `picks_needed` picks or six separate horizons nothing is claimed.
    """
    runs = [run for run in runs if np.isfinite(run.returns[run.picked]).any()]
    positions = np.array([run.position for run in runs], dtype=np.int64)
    picks = int(sum(np.isfinite(run.returns[run.picked]).sum() for run in runs))
    counts = np.array([np.isfinite(run.returns[run.picked]).sum() for run in runs], dtype=float)
    horizons = len(np.unique((positions - positions.min()) // horizon)) if runs else 0

    def measure(
        name: str,
        meaning: str,
        of: Callable[[ScoredRun], float],
        *,
        unit: str = "fraction",
        weights: Values | None = None,
        against: Callable[[ScoredRun], float] | None = None,
    ) -> Measure:
        values = np.array([of(run) for run in runs], dtype=float)
        weighed = counts if weights is None else weights
        found = estimate(values, weighed, positions, horizon) if runs else None
        other = None
        if against is not None and runs:
            compared = np.array([against(run) for run in runs], dtype=float)
            fine = np.isfinite(compared)
            other = float(np.average(compared[fine], weights=weighed[fine])) if fine.any() else None
        return _measure(name, meaning, unit, found, picks, picks_needed, horizons, other)

    confident = np.array([np.isfinite(_confident(run)[0]).sum() for run in runs], dtype=float)
    measures = (
        measure("hit_rate", "share of picks that rose", _hit_rate, against=_base_rate),
        measure(
            "hit_rate_over_base",
            "share of picks that rose less that of the pool",
            lambda run: _hit_rate(run) - _base_rate(run),
        ),
        measure("mean_return", "mean return of the picks", _picked_mean, against=_pool_mean),
        measure("rank_ic", "rank correlation of score and return in the pool", _rank_ic, unit="correlation"),
        measure("top_minus_bottom", "best fifth of the pool by score less the worst", _top_minus_bottom),
        measure("excess_over_benchmark", "mean return of the picks less the benchmark's", _over_benchmark),
        measure(
            "excess_over_placebo",
            "mean return of the picks less that of random picks from the same pool",
            lambda run: _picked_mean(run) - _pool_mean(run),
        ),
        measure(
            "brier",
            "mean squared error of the stated confidence; 0.25 is a coin",
            _brier,
            unit="score",
            weights=confident,
            against=_brier_of_base,
        ),
    )
    p = _placebo_p(runs) if runs else None
    by_name = {m.name: m for m in measures}
    return Record(
        runs=len(runs),
        picks=picks,
        separate_horizons=horizons,
        verdict=_verdict(by_name, p, picks, picks_needed, horizons),
        measures=measures,
        reliability=_reliability(runs),
        placebo_p=p if picks >= picks_needed and horizons >= HORIZONS_NEEDED else None,
        through=max((run.exit for run in runs), default=None),
    )


def _measure(
    name: str,
    meaning: str,
    unit: str,
    found: Estimate | None,
    picks: int,
    needed: int,
    horizons: int,
    other: float | None,
) -> Measure:
    n = found.n if found is not None else 0
    separate = found.separate if found is not None else 0
    if n < needed:
        state = insufficient(n, needed)
    elif separate < HORIZONS_NEEDED:
        state = f"{insufficient(separate, HORIZONS_NEEDED)} separate horizons"
    else:
        state = "measured"
    if state != "measured" or found is None:
        return Measure(name, meaning, unit, None, None, None, n, needed, separate, state)
    return Measure(name, meaning, unit, found.value, found.low, found.high, n, needed, separate, state, other)


def insufficient(n: int, needed: int) -> str:
    """How too few observations are said."""
    return f"insufficient ({n} of {needed})"


def _verdict(measures: dict[str, Measure], p: float | None, picks: int, needed: int, horizons: int) -> str:
    over = measures["excess_over_placebo"]
    if picks < needed:
        return f"{insufficient(picks, needed)}: too few picks have closed their horizon"
    if over.low is None or over.high is None or p is None:
        return (
            f"{insufficient(horizons, HORIZONS_NEEDED)} separate horizons: the picks overlap too much to tell"
        )
    if over.low > 0 and p <= _PLACEBO_LEVEL:
        return "better than random picks from the same pool"
    if over.high < 0 and p >= 1 - _PLACEBO_LEVEL:
        return "worse than random picks from the same pool"
    return "no better than random picks from the same pool"


def _picks(run: ScoredRun) -> Values:
    returns = run.returns[run.picked]
    return returns[np.isfinite(returns)]


def _pool(run: ScoredRun) -> Values:
    return run.returns[np.isfinite(run.returns)]


def _hit_rate(run: ScoredRun) -> float:
    return float(np.mean(_picks(run) > 0))


def _base_rate(run: ScoredRun) -> float:
    return float(np.mean(_pool(run) > 0))


def _picked_mean(run: ScoredRun) -> float:
    return float(np.mean(_picks(run)))


def _pool_mean(run: ScoredRun) -> float:
    return float(np.mean(_pool(run)))


def _over_benchmark(run: ScoredRun) -> float:
    return float("nan") if run.benchmark is None else _picked_mean(run) - run.benchmark


def _rank_ic(run: ScoredRun) -> float:
    """Spearman's correlation over the pool; NaN for fewer than ten."""
    return rank_correlation(run.scores, run.returns)


def rank_correlation(scores: Values, returns: Values) -> float:
    """Spearman's rank correlation over those that have both; NaN for fewer than ten or without spread."""
    known = np.isfinite(returns) & np.isfinite(scores)
    if known.sum() < _SMALLEST_POOL:
        return float("nan")
    one, other = _ranks(scores[known]), _ranks(returns[known])
    if one.std() == 0 or other.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: Values) -> Values:
    from scipy.stats import rankdata

    ranks: Values = rankdata(values)
    return ranks


def _top_minus_bottom(run: ScoredRun) -> float:
    known = np.isfinite(run.returns)
    count = int(known.sum())
    if count < _SMALLEST_POOL:
        return float("nan")
    returns = run.returns[known][np.argsort(-run.scores[known], kind="stable")]
    fifth = count // _FIFTH
    return float(returns[:fifth].mean() - returns[-fifth:].mean())


def _placebo_p(runs: Sequence[ScoredRun]) -> float:
    """Share of placebo histories (as many random picks from each run's pool) that did at least as well."""
    rng = np.random.default_rng(_PLACEBO_SEED)
    actual, placebo, total = 0.0, np.zeros(PLACEBOS), 0
    for run in runs:
        pool, picks = _pool(run), _picks(run)
        count = len(picks)
        placebo += pool[_draws(rng, len(pool), count)].sum(axis=1)
        actual += float(picks.sum())
        total += count
    return float((1 + np.sum(placebo >= actual - 1e-12 * total)) / (PLACEBOS + 1))


def _draws(rng: np.random.Generator, pool: int, count: int) -> NDArray[np.int64]:
    """PLACEBOS draws of `count` different members of a pool, (PLACEBOS, count)."""
    if count * 4 > pool:
        return np.argpartition(rng.random((PLACEBOS, pool)), count - 1, axis=1)[:, :count]
    drawn = rng.integers(0, pool, (PLACEBOS, count))
    while True:
        ordered = np.sort(drawn, axis=1)
        twice = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        if not twice.any():
            return drawn
        drawn[twice] = rng.integers(0, pool, (int(twice.sum()), count))


def _confident(run: ScoredRun) -> tuple[Values, Values]:
    """Stated confidence and whether it rose, of picks that have both."""
    returns = run.returns[run.picked]
    known = np.isfinite(returns) & np.isfinite(run.confidence)
    return run.confidence[known], (returns[known] > 0).astype(float)


def _brier(run: ScoredRun) -> float:
    stated, rose = _confident(run)
    return float(np.mean((stated - rose) ** 2)) if len(stated) else float("nan")


def _brier_of_base(run: ScoredRun) -> float:
    stated, rose = _confident(run)
    return float(np.mean((_base_rate(run) - rose) ** 2)) if len(stated) else float("nan")


def _reliability(runs: Sequence[ScoredRun]) -> tuple[Bin, ...]:
    pairs = [_confident(run) for run in runs]
    stated = np.concatenate([pair[0] for pair in pairs]) if pairs else np.array([])
    rose = np.concatenate([pair[1] for pair in pairs]) if pairs else np.array([])
    if not len(stated):
        return ()
    bins = []
    for low, high in pairwise(_BINS):
        inside = (stated >= low) & ((stated < high) | (high == 1.0))
        n = int(inside.sum())
        if not n:
            bins.append(Bin(low, high, 0, None, None, None, None))
            continue
        hits = float(rose[inside].sum())
        bottom, top = wilson(hits, n)
        bins.append(Bin(low, high, n, float(stated[inside].mean()), hits / n, bottom, top))
    return tuple(bins)
