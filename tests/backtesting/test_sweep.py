"""A sweep gives for each combination what a backtest of it gives, in bounded batches."""

import itertools

import numpy as np
import pytest

from falcon_pipelines.backtesting import batch
from falcon_pipelines.backtesting.run import NoBars, run_backtest
from falcon_pipelines.backtesting.sweep import sweep
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.strategies.spec import Spec, parse_spec
from tests.backtesting.specs import SMA_CROSS
from tests.backtesting.test_kernel_against_reference import random_panel

STOPS = """
spec_version: 1
name: with_stops
params: {length: {value: 5, values: [3, 5]}, stop: {value: 4, values: [2, 4, 6]}, size: {value: 30, values: [30, 60]}}
indicators: [{id: rsi, fn: rsi, source: close, params: {period: $length}}]
entry: {long: {lt: [rsi, 40]}, short: {gt: [rsi, 70]}}
exit: {signal: {long: {gt: [rsi, 60]}, short: {lt: [rsi, 40]}}, stop: {percent: $stop}, target: {r_multiple: 2}}
sizing: {percent_of_equity: $size}
"""


def walk(bars: int, tickers: int, seed: int = 5) -> Panel:
    return random_panel(np.random.default_rng(seed), bars, tickers)


@pytest.mark.parametrize("text", [SMA_CROSS, STOPS])
def test_every_combination_equals_its_own_backtest(text: str) -> None:
    spec, panel = parse_spec(text), walk(400, 3)
    swept = sweep(spec, panel, fee_bps=10, slippage_bps=5, keep_returns=True)
    grid = list(itertools.product(*(parameter.values for parameter in spec.params.values())))
    assert [tuple(params.values()) for params in swept.params] == grid
    for index, params in enumerate(swept.params):
        alone = run_backtest(spec.with_params(params), panel, fee_bps=10, slippage_bps=5)
        found = swept.combination(index)
        assert found.final_equity == pytest.approx(alone.final_equity, rel=1e-12)
        assert found.max_drawdown == pytest.approx(alone.stats.max_drawdown, rel=1e-9, abs=1e-12)
        assert found.closed_trades == len(alone.trades)
        assert found.sharpe == pytest.approx(alone.stats.sharpe, rel=1e-9, nan_ok=True)
        curve = 100_000 * np.cumprod(1 + swept.returns[index])
        assert curve == pytest.approx(alone.equity, rel=1e-9)


def test_batches_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, panel = parse_spec(STOPS), walk(300, 2)
    whole = sweep(spec, panel)
    monkeypatch.setattr(batch, "BATCH", 5)
    assert np.array_equal(sweep(spec, panel).figures, whole.figures)
    monkeypatch.setattr(batch, "BATCH_BYTES", 1)
    assert np.array_equal(sweep(spec, panel).figures, whole.figures)


def test_the_best_have_the_highest_sharpe_ratios() -> None:
    swept = sweep(parse_spec(STOPS), walk(400, 3))
    sharpes = [one.sharpe for one in swept.best(12)]
    assert sharpes == sorted(sharpes, reverse=True)
    assert sharpes[0] == np.nanmax(swept.sharpe_per_bar) * 252**0.5


def test_a_spec_without_parameters_is_one_combination() -> None:
    spec: Spec = parse_spec(SMA_CROSS).with_params()
    assert [dict(one.params) for one in sweep(spec, walk(200, 1)).best()] == [{}]


def test_rows_limit_the_account_but_not_what_indicators_have_seen() -> None:
    spec, panel = parse_spec(SMA_CROSS), walk(400, 1)
    late = sweep(spec, panel, rows=(200, 400))
    warm = sweep(spec, panel.rows(200, 400))
    assert late.column("closed_trades").sum() >= warm.column("closed_trades").sum()
    assert len(late) == len(warm)


def test_a_sweep_over_nothing_is_refused() -> None:
    with pytest.raises(NoBars):
        sweep(parse_spec(SMA_CROSS), walk(50, 1).rows(0, 0))
