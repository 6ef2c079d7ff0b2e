"""Out-of-sample tests choose on one stretch of bars and trade on another, which never overlap."""

import numpy as np
import pytest

from falcon_pipelines.backtesting.run import run_backtest
from falcon_pipelines.backtesting.walk_forward import (
    TooFewBars,
    folds,
    purged_cross_validation,
    walk_forward,
)
from falcon_pipelines.strategies.spec import parse_spec
from tests.backtesting.specs import EDGE
from tests.backtesting.test_verdict import planted


@pytest.mark.parametrize("scheme", ["anchored", "rolling"])
@pytest.mark.parametrize("gap", [0, 5])
def test_folds_test_every_later_bar_once_and_train_only_before_it(scheme, gap):
    found = folds(1_003, 9, scheme, gap)
    tested = [row for fold in found for row in range(*fold.test)]
    assert tested == list(range(100, 1_003))
    for fold in found:
        assert fold.train[1] == fold.test[0] - gap
        assert fold.train[0] == (0 if scheme == "anchored" else fold.test[0] - 100)


def test_too_many_folds_are_refused():
    with pytest.raises(TooFewBars):
        folds(100, 5)


def test_a_fold_reports_what_a_backtest_of_its_test_bars_gives():
    panel = planted(3, edge=0.01, bars=600)
    spec = parse_spec(EDGE)
    grid = ({"fall": -0.5}, {"fall": -1}, {"fall": -1.5})
    walked = walk_forward(spec, panel, grid=grid, count=3, fee_bps=5)
    assert len(walked.returns) == len(walked.benchmark) == 450
    for fold in walked.folds:
        assert fold.params in grid
        alone = run_backtest(spec.with_params(fold.params), panel.rows(*fold.fold.test), fee_bps=5)
        # The rule looks back one bar only, so a cold start differs in the first bar at most.
        assert fold.tested_return == pytest.approx(alone.stats.total_return, abs=0.03)
        assert fold.benchmark_return == pytest.approx(alone.benchmark.stats.total_return)
    assert walked.total_return == pytest.approx(
        np.prod([1 + fold.tested_return for fold in walked.folds]) - 1
    )


def test_later_bars_do_not_change_what_earlier_folds_choose():
    panel = planted(3, edge=0.01, bars=600)
    spec = parse_spec(EDGE)
    grid = ({"fall": -0.5}, {"fall": -1}, {"fall": -1.5})
    before = walk_forward(spec, panel, grid=grid, count=3)
    for values in panel.fields.values():
        values[450:] = values[450:][::-1]
    after = walk_forward(spec, panel, grid=grid, count=3)
    assert after.folds[:2] == before.folds[:2]


def test_purged_cross_validation_finds_a_planted_trial_and_nothing_in_noise():
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 0.01, (20, 1_500))
    planted_trial = noise.copy()
    planted_trial[3] += 0.001
    real = purged_cross_validation(planted_trial, 252)
    assert real is not None
    assert real.positive > 0.95
    chance = purged_cross_validation(noise, 252)
    assert chance is not None
    assert chance.sharpes.mean() < real.sharpes.mean() - 0.8
    assert purged_cross_validation(noise[:, :100], 252) is None
