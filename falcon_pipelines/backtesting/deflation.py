"""How much of a Sharpe ratio, or of a best backtest, is left when all trials are counted."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

EULER_GAMMA = 0.5772156649015329
CSCV_BLOCKS = 16


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """Sharpe ratio that the best of `trials` worthless strategies is expected to show.

    `variance` is that of the trials' Sharpe ratios, in the same units (per bar) squared; 0 for one trial.
    Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio", equation 1.
    """
    if trials < 2 or not variance > 0:
        return 0.0
    first, second = _normal_quantile(1 - 1 / trials), _normal_quantile(1 - 1 / (trials * np.e))
    return float(np.sqrt(variance) * ((1 - EULER_GAMMA) * first + EULER_GAMMA * second))


def deflated_sharpe_ratio(
    sharpe: float, observations: int, skewness: float, kurtosis: float, trials: int, variance: float
) -> float:
    """Probability that the true Sharpe ratio exceeds what luck among the trials explains.

    `sharpe` and `variance` are per bar, not annualised; `kurtosis` of a normal distribution is 3. Bailey and
    Lopez de Prado (2014), equation 2. NaN where it is undefined.
    """
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if observations < 2 or not spread > 0 or np.isnan(sharpe):
        return float("nan")
    excess = sharpe - expected_maximum_sharpe(trials, variance)
    return _normal_cdf(excess * np.sqrt(observations - 1) / np.sqrt(spread))


def probability_of_overfitting(returns: NDArray[np.float64], blocks: int = CSCV_BLOCKS) -> float:
    """How often the best trial in one half of the bars is below the median of all trials in the other half.

    `returns` is (K, T) bar returns of K trials. Combinatorially symmetric cross-validation over all halves of
    `blocks` blocks, ranked by Sharpe ratio: Bailey, Borwein, Lopez de Prado and Zhu (2017), "The Probability of
    Backtest Overfitting". NaN for fewer than two trials, or fewer than four bars a block.
    """
    trials, bars = returns.shape
    if trials < 2 or bars < 4 * blocks:
        return float("nan")
    length = bars // blocks
    cut = returns[:, bars - length * blocks :].reshape(trials, blocks, length)
    sums, squares = cut.sum(axis=2), (cut**2).sum(axis=2)
    chosen = np.zeros((len(list(combinations(range(blocks), blocks // 2))), blocks))
    for row, picks in enumerate(combinations(range(blocks), blocks // 2)):
        chosen[row, list(picks)] = 1.0
    below = 0.0
    step = max(1, 4_000_000 // trials)
    for first in range(0, len(chosen), step):
        inside = chosen[first : first + step]
        count = blocks // 2 * length
        trained = _sharpe(inside @ sums.T, inside @ squares.T, count)
        tested = _sharpe((1 - inside) @ sums.T, (1 - inside) @ squares.T, count)
        best = trained.argmax(axis=1)
        score = tested[np.arange(len(best)), best][:, None]
        lower, equal = (tested < score).sum(axis=1), (tested == score).sum(axis=1)
        rank = (lower + (equal + 1) / 2) / (trials + 1)
        below += float(np.sum(rank < 0.5) + 0.5 * np.sum(rank == 0.5))
    return below / len(chosen)


def _sharpe(sums: NDArray[np.float64], squares: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    mean = sums / count
    variance = np.maximum(squares / count - mean**2, 0.0)
    return np.where(variance > 1e-18, mean / np.sqrt(np.maximum(variance, 1e-18)), 0.0)


def _normal_cdf(x: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(x))


def _normal_quantile(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))
