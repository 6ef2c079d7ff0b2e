"""Statistics follow their printed definitions, on numbers small enough to check by hand."""

import numpy as np
import pytest

from falcon_pipelines.backtesting.run import assemble, simulate_fills
from falcon_pipelines.backtesting.statistics import (
    DEFINITIONS,
    bars_per_year,
    drawdown,
    excess_at_equal_risk,
    sharpe_ratio,
)
from tests.backtesting.builders import panel_of, parameters, signals_for


def bar(price: float) -> tuple[float, float, float, float]:
    return (price, price, price, price)


@pytest.fixture
def result():
    """50 shares bought at 100 and sold at 110, then 50 bought at 110 and sold at 99; 1 % fee a side."""
    panel = panel_of({"A": [bar(p) for p in (100, 100, 110, 110, 110, 99, 99)]})
    signals = signals_for(
        panel, entry_long={(0, 0): True, (3, 0): True}, exit_long={(1, 0): True, (4, 0): True}
    )
    p = parameters(sizing=3, size=50, fee_bps=100)
    return assemble(panel, simulate_fills(panel, signals, p, 10_000.0), p, 10_000.0)


def test_profit_of_each_trade_is_after_the_fees_of_both_sides(result):
    assert [trade.pnl for trade in result.trades] == pytest.approx([500 - 50 - 55, -550 - 55 - 49.5])
    assert result.final_equity == pytest.approx(10_000 + 395 - 654.5)
    assert result.stats.fees == pytest.approx(50 + 55 + 55 + 49.5)


def test_figures_equal_their_definitions(result):
    stats, equity = result.stats, result.equity
    assert equity == pytest.approx([10_000, 9_950, 10_395, 10_395, 10_340, 9_740.5, 9_740.5])
    returns = np.diff(np.concatenate([[10_000], equity])) / np.concatenate([[10_000], equity[:-1]])
    assert stats.total_return == pytest.approx(-0.02595)
    assert stats.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * 252**0.5)
    assert stats.volatility == pytest.approx(returns.std(ddof=1) * 252**0.5)
    assert stats.sortino == pytest.approx(
        returns.mean() / np.sqrt(np.mean(np.minimum(returns, 0) ** 2)) * 252**0.5
    )
    assert stats.max_drawdown == pytest.approx(9_740.5 / 10_395 - 1)
    assert stats.cagr == pytest.approx(0.97405 ** (365.25 / 6) - 1)
    assert stats.win_rate == 0.5
    assert stats.profit_factor == pytest.approx(395 / 654.5)
    assert stats.average_trade_pct == pytest.approx((395 / 5_000 - 654.5 / 5_500) * 50)
    assert stats.average_bars_held == 1
    assert stats.exposure == pytest.approx(4 / 7)


def test_every_figure_has_a_definition(result):
    assert set(result.stats.as_dict()) == set(DEFINITIONS)


def test_buy_and_hold_buys_whole_shares_at_the_first_open_an_order_could_have(result):
    assert result.benchmark.orders["size"].tolist() == [99.0]
    assert result.benchmark.final_equity == pytest.approx(10_000 - 99 * 101 + 99 * 99)


def test_a_year_has_252_sessions_of_however_many_bars():
    days = np.datetime64("2020-01-01T05:00", "ns") + np.arange(10) * np.timedelta64(1, "D")
    assert bars_per_year(days) == 252
    session = np.arange(390) * np.timedelta64(1, "m")
    minutes = np.concatenate([np.datetime64(f"2020-06-0{day}T13:30", "ns") + session for day in (1, 2, 3)])
    assert bars_per_year(minutes) == 252 * 390


def test_undefined_figures_are_nan_and_never_a_guess():
    panel = panel_of({"A": [bar(100)] * 5})
    result = assemble(
        panel, simulate_fills(panel, signals_for(panel), parameters(), 1_000.0), parameters(), 1_000.0
    )
    assert np.isnan(result.stats.sharpe)
    assert np.isnan(result.stats.win_rate)
    assert result.stats.total_return == 0


def test_drawdown_counts_from_the_initial_cash():
    assert drawdown(np.array([90.0, 120.0, 60.0]), 100.0) == pytest.approx([-0.1, 0.0, -0.5])


def test_excess_at_equal_risk_is_the_difference_of_sharpe_ratios_times_the_benchmarks_volatility():
    rng = np.random.default_rng(0)
    own, market = rng.normal(0.001, 0.004, 500), rng.normal(0.0005, 0.01, 500)
    difference = sharpe_ratio(own, 1) - sharpe_ratio(market, 1)
    assert excess_at_equal_risk(own, market).mean() == pytest.approx(difference * market.std(ddof=1))
    assert excess_at_equal_risk(np.zeros(500), market) == pytest.approx(-market)
