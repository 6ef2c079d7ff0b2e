"""Every row of the fill-rule table, as a user sees it in a backtest's fills."""

import numpy as np
import pytest

from tests.backtesting.builders import FLAT, NO_BAR, fills, panel_of, parameters, signals_for

ENTRY = {(0, 0): True}


def run(bars, *, cash=10_000.0, signals=None, volume=1_000_000.0, **rules):
    """Fills of one ticker entered long by a signal on bar 0, 50 shares unless the rules say otherwise."""
    from falcon_pipelines.backtesting.parameters import FIXED_SHARES

    panel = panel_of({"A": bars}, volume)
    rules = {"sizing": FIXED_SHARES, "size": 50, **rules}
    return fills(panel, signals_for(panel, **(signals or {"entry_long": ENTRY})), parameters(**rules), cash)


def test_a_market_order_fills_at_the_next_bars_open():
    assert run([FLAT, (102.0, 103.0, 101.0, 102.0), FLAT]) == [(1, 0, 50.0, 102.0, "entry", False)]


def test_a_signal_on_the_last_bar_never_fills():
    assert run([FLAT, FLAT], signals={"entry_long": {(1, 0): True}}) == []


def test_a_stop_fills_at_its_price():
    bars = [FLAT, FLAT, (99.0, 99.5, 94.0, 98.0)]
    assert run(bars, stop_percent=5)[1] == (2, 0, -50.0, 95.0, "stop", False)


def test_a_stop_gapped_through_fills_at_the_open():
    bars = [FLAT, FLAT, (90.0, 91.0, 89.0, 90.0)]
    assert run(bars, stop_percent=5)[1] == (2, 0, -50.0, 90.0, "stop", False)


def test_a_stop_is_live_on_the_entry_bar_and_measured_from_the_fill_price():
    bars = [FLAT, (110.0, 111.0, 104.0, 110.0), FLAT]
    assert run(bars, stop_percent=5) == [
        (1, 0, 50.0, 110.0, "entry", False),
        (1, 0, -50.0, pytest.approx(104.5), "stop", False),
    ]


def test_the_fill_price_a_stop_is_measured_from_includes_slippage():
    bars = [FLAT, FLAT, (100.0, 100.0, 90.0, 95.0)]
    entry, leave = run(bars, stop_percent=5, slippage_bps=100)
    assert entry[3] == pytest.approx(101.0)
    assert leave[3] == pytest.approx(101.0 * 0.95 * 0.99)


def test_a_target_that_is_only_touched_does_not_fill():
    bars = [FLAT, FLAT, (100.0, 110.0, 99.0, 105.0), (105.0, 110.25, 104.0, 105.0)]
    assert run(bars, target_percent=10)[1:] == [(3, 0, -50.0, pytest.approx(110.0), "target", False)]


def test_a_target_gapped_over_fills_at_the_better_open_without_slippage():
    bars = [FLAT, FLAT, (112.0, 113.0, 111.0, 112.0)]
    assert run(bars, target_percent=10, slippage_bps=50)[1][3:5] == (112.0, "target")


def test_stop_and_target_in_one_bar_take_the_stop_and_flag_the_trade():
    bars = [FLAT, FLAT, (100.0, 112.0, 94.0, 100.0)]
    assert run(bars, stop_percent=5, target_percent=10)[1] == (2, 0, -50.0, 95.0, "stop", True)


def test_an_open_beyond_the_target_fills_it_there_though_the_bar_falls_to_the_stop_later():
    bars = [FLAT, FLAT, (112.0, 113.0, 94.0, 96.0)]
    rules = {"stop_percent": 5, "target_percent": 10, "slippage_bps": 50}
    assert run(bars, **rules)[1][3:] == (112.0, "target", False)


def test_after_a_partial_exit_at_the_open_the_rest_is_stopped_with_certainty():
    bars = [FLAT, FLAT, (106.0, 107.0, 94.0, 96.0)]
    rules = {"stop_percent": 5, "partial_percent": (5,), "partial_r": (np.nan,), "partial_fraction": (0.5,)}
    assert run(bars, **rules)[1:] == [
        (2, 0, -25.0, 106.0, "partial", False),
        (2, 0, -25.0, 95.0, "stop", False),
    ]


def test_target_first_takes_the_target_of_an_ambiguous_bar_but_not_after_a_gap_through_the_stop():
    both = [FLAT, FLAT, (100.0, 112.0, 94.0, 100.0)]
    gap = [FLAT, FLAT, (94.0, 112.0, 93.0, 100.0)]
    rules = {"stop_percent": 5, "target_percent": 10, "target_first": True}
    assert run(both, **rules)[1] == (2, 0, -50.0, pytest.approx(110.0), "target", True)
    assert run(gap, **rules)[1][3:5] == (94.0, "stop")


def test_a_scheduled_exit_comes_at_the_open_before_the_stop_of_that_bar():
    bars = [FLAT, FLAT, (99.0, 99.5, 90.0, 92.0)]
    signals = {"entry_long": ENTRY, "exit_long": {(1, 0): True}}
    assert run(bars, signals=signals, stop_percent=5)[1:] == [(2, 0, -50.0, 99.0, "signal", False)]


def test_a_time_stop_leaves_at_the_open_after_so_many_bars():
    assert run([FLAT] * 6, time_stop_bars=3)[1] == (4, 0, -50.0, 100.0, "time_stop", False)


def test_a_trailing_stop_is_raised_from_completed_bars_only():
    bars = [FLAT, (100.0, 101.0, 99.0, 100.0), (110.0, 120.0, 107.9, 118.0), (118.0, 119.0, 100.0, 105.0)]
    # Bar 2 falls below 90 % of its own high of 120, which only bar 3's stop may use.
    assert run(bars, trailing_percent=10)[1] == (3, 0, -50.0, pytest.approx(108.0), "trailing", False)


def test_breakeven_moves_the_stop_to_the_fill_price_from_the_next_bar_on():
    bars = [FLAT, (100.0, 104.0, 99.0, 103.0), (103.0, 103.5, 98.0, 99.0)]
    assert run(bars, stop_percent=5, breakeven_percent=3)[1] == (2, 0, -50.0, 100.0, "breakeven", False)


def test_an_r_multiple_is_measured_from_fill_to_initial_stop():
    bars = [FLAT, FLAT, (100.0, 107.0, 99.0, 106.0)]
    signals = {"entry_long": ENTRY, "stop_distance": {(0, 0): 2.0}}
    assert run(bars, signals=signals, stop_by_distance=True, target_r=3)[1][3:5] == (106.0, "target")


def test_a_partial_exit_sells_a_fraction_and_the_rest_goes_on():
    bars = [FLAT, FLAT, (100.0, 106.0, 99.0, 104.0), (104.0, 111.0, 103.0, 110.0)]
    rules = {
        "partial_percent": (5,),
        "partial_r": (np.nan,),
        "partial_fraction": (0.5,),
        "target_percent": 10,
    }
    assert run(bars, **rules)[1:] == [
        (2, 0, -25.0, 105.0, "partial", False),
        (3, 0, -25.0, pytest.approx(110.0), "target", False),
    ]


def test_a_position_takes_at_most_its_share_of_volume_and_the_rest_stays_open():
    bars = [FLAT, FLAT, FLAT, (90.0, 91.0, 89.0, 90.0), (88.0, 89.0, 87.0, 88.0), FLAT]
    found = run(bars, stop_percent=5, volume_share=0.1, volume=300.0)
    assert [(bar, size, price) for bar, _, size, price, _, _ in found] == [
        (1, 30.0, 100.0),
        (2, 20.0, 100.0),
        (3, -30.0, 90.0),
        (4, -20.0, 88.0),
    ]


def test_fees_and_slippage_are_charged_in_basis_points_on_each_side():
    from falcon_pipelines.backtesting.run import simulate_fills

    panel = panel_of({"A": [FLAT] * 4})
    signals = signals_for(panel, entry_long=ENTRY, exit_long={(1, 0): True})
    orders = simulate_fills(
        panel, signals, parameters(sizing=3, size=50, fee_bps=10, slippage_bps=20), 10_000.0
    ).orders
    assert orders["price"].tolist() == pytest.approx([100.2, 99.8])
    assert orders["fee"].tolist() == pytest.approx([5.01, 4.99])


def test_an_order_waits_for_the_next_bar_of_a_ticker_without_one():
    assert run([FLAT, NO_BAR, NO_BAR, (98.0, 99.0, 97.0, 98.0)])[0][:4] == (3, 0, 50.0, 98.0)


def test_a_position_whose_bars_end_is_closed_at_its_last_close():
    panel = panel_of({"A": [FLAT, FLAT, (100.0, 101.0, 96.0, 97.0), NO_BAR], "B": [FLAT] * 4})
    p = parameters(sizing=3, size=50)
    assert fills(panel, signals_for(panel, entry_long=ENTRY), p)[1] == (2, 0, -50.0, 97.0, "delisted", False)


def test_a_short_is_the_mirror_image():
    bars = [FLAT, FLAT, (100.0, 106.0, 89.0, 100.0)]
    signals = {"entry_short": ENTRY}
    assert run(bars, signals=signals, stop_percent=5, target_percent=10) == [
        (1, 0, -50.0, 100.0, "entry", False),
        (2, 0, 50.0, 105.0, "stop", True),
    ]


def test_an_opposite_entry_reverses_the_position_at_one_open():
    signals = {"entry_long": ENTRY, "entry_short": {(2, 0): True}}
    assert run([FLAT] * 5, signals=signals)[1:] == [
        (3, 0, -50.0, 100.0, "reversal", False),
        (3, 0, -50.0, 100.0, "entry", False),
    ]


def test_the_best_rank_is_taken_when_cash_or_slots_are_short():
    panel = panel_of({"A": [FLAT] * 3, "B": [FLAT] * 3, "C": [FLAT] * 3})
    rank = {(0, 0): 1.0, (0, 1): 3.0, (0, 2): 2.0}
    signals = signals_for(panel, entry_long={(0, 0): True, (0, 1): True, (0, 2): True}, rank=rank)
    assert [fill[1:3] for fill in fills(panel, signals, parameters(size=30, max_positions=2), 10_000.0)] == [
        (1, 30.0),
        (2, 30.0),
    ]
    assert [fill[1:3] for fill in fills(panel, signals, parameters(size=60), 10_000.0)] == [
        (1, 60.0),
        (2, 40.0),
    ]


def test_risk_per_trade_sizes_by_the_distance_to_the_stop():
    from falcon_pipelines.backtesting.parameters import RISK_PER_TRADE

    assert run([FLAT] * 3, sizing=RISK_PER_TRADE, size=1, stop_percent=5)[0][2] == 20.0


def test_an_entry_whose_stop_is_already_passed_at_the_open_is_void():
    signals = {"entry_long": ENTRY, "stop_level_long": {(0, 0): 100.0}}
    assert run([FLAT] * 3, signals=signals, stop_by_level=True) == []


def test_a_short_that_eats_its_margin_is_bought_in():
    bars = [FLAT, FLAT, (150.0, 160.0, 149.0, 158.0), (157.0, 158.0, 156.0, 157.0)]
    found = run(bars, signals={"entry_short": ENTRY}, size=100)
    assert found[1] == (3, 0, 100.0, 157.0, "margin_call", False)
