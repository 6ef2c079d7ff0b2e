"""What chance does is measured right: intervals cover, shuffles keep the trades, random entries match."""

import numpy as np
import pytest

from falcon_pipelines.backtesting.resampling import (
    bootstrap_mean,
    random_entries,
    shuffle_trades,
    superior_predictive_ability,
)
from falcon_pipelines.backtesting.run import run_backtest
from falcon_pipelines.strategies.spec import parse_spec
from tests.backtesting.specs import EDGE
from tests.backtesting.test_verdict import planted


def test_the_bootstrap_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(60):
        low, high = bootstrap_mean(rng.normal(0.5, 1, 250), seed=seed, repetitions=300)
        covered += low <= 0.5 <= high
    assert covered >= 51


def test_a_mean_without_spread_has_a_point_interval():
    assert bootstrap_mean(np.zeros(100)) == (0.0, 0.0)


def test_spa_is_small_for_a_real_winner_and_large_for_the_best_of_noise():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.01, (40, 1_000))
    assert superior_predictive_ability(noise) > 0.05
    noise[5] += 0.0015
    assert superior_predictive_ability(noise) < 0.01
    assert np.isnan(superior_predictive_ability(np.zeros((3, 100))))


def test_shuffled_trades_end_at_the_same_multiple_and_fall_differently():
    result = run_backtest(parse_spec(EDGE).with_params(), planted(1, edge=0.004), fee_bps=2)
    shuffled = shuffle_trades(result, runs=300)
    assert shuffled is not None
    assert shuffled.max_drawdown[0] <= shuffled.max_drawdown[1] <= shuffled.max_drawdown[2] <= 0
    assert shuffled.multiple[0] < result.final_equity / result.initial_cash < shuffled.multiple[2]


def test_random_entries_do_as_well_as_a_rule_without_an_edge_and_worse_than_one_with_it():
    spec = parse_spec(EDGE).with_params()
    with_edge = random_entries(run_backtest(spec, planted(1, edge=0.01), fee_bps=2), runs=200)
    without = random_entries(run_backtest(spec, planted(5, edge=0.0), fee_bps=2), runs=200)
    assert with_edge is not None
    assert without is not None
    assert with_edge.p_value == pytest.approx(1 / 201)
    assert without.p_value > 0.05


def test_random_entries_keep_the_number_of_positions_and_their_holding_times():
    from falcon_pipelines.backtesting.resampling import _holdings, _random_signals
    from falcon_pipelines.backtesting.run import assemble, simulate_fills

    result = run_backtest(parse_spec(EDGE).with_params(), planted(2, edge=0.0))
    drawn = _random_signals(result, _holdings(result), np.random.default_rng(3))
    from dataclasses import replace

    plain = replace(result.parameters, time_stop_bars=0)
    again = assemble(result.panel, simulate_fills(result.panel, drawn, plain, 100_000), plain, 100_000)
    ours = sorted(trade.bars_held for trade in result.trades)
    theirs = sorted(trade.bars_held for trade in again.trades)
    assert len(theirs) == len(ours)
    assert set(theirs) == set(ours) == {1}
