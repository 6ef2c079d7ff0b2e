"""Deflated Sharpe ratio and probability of backtest overfitting against published and obvious values."""

import numpy as np
import pytest

from falcon_pipelines.backtesting.deflation import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    probability_of_overfitting,
)


def test_the_published_example_of_the_deflated_sharpe_ratio() -> None:
    """Bailey & Lopez de Prado (2014), section "A numerical example": 250 bars a year, five years."""
    per_bar, variance = 2.5 / 250**0.5, 0.5 / 250
    assert expected_maximum_sharpe(100, variance) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe_ratio(per_bar, 1250, -3, 10, 100, variance) == pytest.approx(0.9004, abs=5e-5)


def test_more_trials_leave_less_of_a_sharpe_ratio() -> None:
    left = [deflated_sharpe_ratio(0.08, 1250, 0, 3, trials, 0.001) for trials in (1, 2, 10, 100, 10_000)]
    assert left == sorted(left, reverse=True)
    assert left[0] > 0.99
    assert left[-1] < 0.2


def test_overfitting_of_pure_noise_is_about_one_half() -> None:
    rng = np.random.default_rng(1)
    found = [probability_of_overfitting(rng.normal(0, 0.01, (50, 1_600))) for _ in range(8)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.12)


def test_overfitting_of_a_planted_edge_is_near_zero() -> None:
    rng = np.random.default_rng(2)
    returns = rng.normal(0, 0.01, (50, 1_600))
    returns[17] += 0.002
    assert probability_of_overfitting(returns) < 0.01


def test_overfitting_is_undefined_for_one_trial_or_few_bars() -> None:
    rng = np.random.default_rng(3)
    assert np.isnan(probability_of_overfitting(rng.normal(0, 1, (1, 1_000))))
    assert np.isnan(probability_of_overfitting(rng.normal(0, 1, (5, 40))))
