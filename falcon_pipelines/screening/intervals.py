"""Means of runs whose horizons overlap, with intervals that do not pretend they were independent. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over runs: `n` observations in `separate` blocks of one horizon each; no interval below two blocks."""

    value: float
    low: float | None
    high: float | None
    n: int
    separate: int


def estimate(values: Values, weights: Values, positions: NDArray[np.int64], horizon: int) -> Estimate | None:
    """The weighted mean of one value per run, with a 95 % interval; None without a value.

    `weights` are the observations behind each value (picks, pool members), `positions` the session number of each
    run. Runs of one horizon see largely the same days, so they are put in blocks of a horizon each; the interval is
    Student's t over the block means with blocks - 1 degrees of freedom. Neighbouring blocks still share days where
    runs overlap: for returns without memory the sums of h sessions that begin in one block and in the next are
    correlated by `neighbour_correlation(h)`, and the variance is raised by twice that.
    """
    known = np.isfinite(values) & (weights > 0)
    values, weights, positions = values[known], weights[known], positions[known]
    if not len(values):
        return None
    mean = float(np.average(values, weights=weights))
    blocks = (positions - positions.min()) // max(horizon, 1)
    labels, member = np.unique(blocks, return_inverse=True)
    count = len(labels)
    total = weights.sum()
    if count < 2:
        return Estimate(mean, None, None, int(total), count)
    own = np.bincount(member, weights * (values - mean), minlength=count)
    crowded = len(values) > count
    inflation = 1 + 2 * neighbour_correlation(horizon) * (count - 1) / count if crowded else 1.0
    variance = inflation * count / (count - 1) * float(np.sum(own**2)) / total**2
    reach = student_t(count - 1) * variance**0.5
    return Estimate(mean, mean - reach, mean + reach, int(total), count)


def neighbour_correlation(horizon: int) -> float:
    """Correlation of the means of two neighbouring blocks of `horizon` overlapping sums of `horizon` sessions.

    Sums that begin d sessions apart share horizon - d of them; averaged over the pairs of a block and over those of
    neighbouring blocks. 0 for a horizon of one session, towards 1/4 for long ones.
    """
    if horizon <= 1:
        return 0.0
    start = np.arange(horizon)
    own = np.maximum(horizon - np.abs(start[:, None] - start[None, :]), 0).sum()
    other = np.maximum(horizon - np.abs(start[:, None] - start[None, :] + horizon), 0).sum()
    return float(other / own)


def student_t(degrees: int) -> float:
    """The two-sided 95 % point of Student's t."""
    from scipy import stats

    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, degrees))


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927)."""
    from scipy import stats

    z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(0.0, middle - reach), min(1.0, middle + reach)
