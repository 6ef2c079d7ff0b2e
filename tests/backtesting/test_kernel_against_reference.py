"""The kernel's fills equal those of a slow, obvious simulator on random bars, over all exits and sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon_pipelines.backtesting import parameters as sizes
from falcon_pipelines.backtesting.accounting import account_history, forward_filled
from falcon_pipelines.backtesting.run import simulate_fills
from falcon_pipelines.bars.panel import Panel
from tests.backtesting import reference
from tests.backtesting.builders import fills, parameters, signals_for

SIZINGS = {
    "percent_of_equity": sizes.PERCENT_OF_EQUITY,
    "risk_per_trade": sizes.RISK_PER_TRADE,
    "volatility_target": sizes.VOLATILITY_TARGET,
    "fixed_shares": sizes.FIXED_SHARES,
}


def random_panel(rng: np.random.Generator, bars: int, tickers: int) -> Panel:
    """Rough random walks on a coarse price grid, so that levels are touched exactly now and then; some bars absent."""
    steps = rng.normal(0, 0.03, (bars, tickers, 4)).cumsum(axis=0)
    close = np.round(50 * np.exp(steps[:, :, 0]), 0)
    open_ = np.round(np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.02, close.shape)), 0)
    open_, close = np.maximum(open_, 1), np.maximum(close, 1)
    high = np.maximum(open_, close) + rng.integers(0, 3, close.shape)
    low = np.maximum(np.minimum(open_, close) - rng.integers(0, 3, close.shape), 0.5)
    fields = {"open": open_, "high": high, "low": low, "close": close, "volume": np.full(close.shape, 1e6)}
    absent = rng.random(close.shape) < 0.08
    for column in range(tickers):
        if rng.random() < 0.3:
            absent[rng.integers(bars // 2, bars) :, column] = True
    for values in fields.values():
        values[absent] = np.nan
    days = np.datetime64("2020-01-01T05:00", "ns") + np.arange(bars) * np.timedelta64(1, "D")
    return Panel(days, tuple(f"T{i}" for i in range(tickers)), fields, "day", "random")


maybe = st.one_of(st.none(), st.sampled_from([2.0, 4.0, 8.0]))


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    stop_kind=st.sampled_from(["none", "percent", "distance", "level"]),
    target=st.sampled_from(["none", "percent", "r"]),
    trailing=maybe,
    breakeven=st.sampled_from(["none", "percent", "r"]),
    time_stop=st.sampled_from([None, 1, 3, 7]),
    partial=st.lists(
        st.tuples(
            st.sampled_from(["percent", "r"]), st.sampled_from([1.0, 2.0]), st.sampled_from([0.25, 0.5])
        ),
        max_size=2,
    ),
    sizing=st.sampled_from(["percent_of_equity", "risk_per_trade", "volatility_target", "fixed_shares"]),
    max_positions=st.integers(1, 3),
    fee_bps=st.sampled_from([0.0, 10.0]),
    slippage_bps=st.sampled_from([0.0, 5.0]),
    sides=st.sampled_from(["long", "short", "both"]),
)
def test_kernel_fills_equal_the_reference(
    seed, stop_kind, target, trailing, breakeven, time_stop, partial, sizing, max_positions, fee_bps, slippage_bps,
    sides,
):  # fmt: skip
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=60, tickers=3)
    has_bar = ~np.isnan(panel["close"])
    shape = has_bar.shape
    has_stop = stop_kind != "none" or trailing is not None
    if not has_stop:
        target = "percent" if target == "r" else target
        breakeven = "percent" if breakeven == "r" else breakeven
        partial = [("percent", amount, fraction) for _, amount, fraction in partial]
        sizing = "percent_of_equity" if sizing == "risk_per_trade" else sizing

    def flags(chance: float) -> np.ndarray:
        return (rng.random(shape) < chance) & has_bar

    close = panel["close"]
    arrays = {
        "entry_long": flags(0.2 if sides != "short" else 0.0),
        "entry_short": flags(0.2 if sides != "long" else 0.0),
        "exit_long": flags(0.1),
        "exit_short": flags(0.1),
        "stop_distance": np.where(rng.random(shape) < 0.05, np.nan, rng.integers(1, 4, shape).astype(float)),
        "stop_level_long": close - rng.integers(-1, 4, shape),
        "stop_level_short": close + rng.integers(-1, 4, shape),
        "rank": rng.integers(0, 3, shape).astype(float),
        "volatility": rng.uniform(0.05, 0.6, shape),
    }
    size = {
        "percent_of_equity": 60.0,
        "risk_per_trade": 2.0,
        "volatility_target": 15.0,
        "fixed_shares": 40.0,
    }[sizing]
    rules = reference.Rules(
        stop=5.0 if stop_kind == "percent" else None,
        stop_distance=arrays["stop_distance"].tolist() if stop_kind == "distance" else None,
        stop_level={1: arrays["stop_level_long"].tolist(), -1: arrays["stop_level_short"].tolist()}
        if stop_kind == "level"
        else None,
        target=6.0 if target == "percent" else None,
        target_r=2.0 if target == "r" else None,
        trailing=trailing,
        breakeven=3.0 if breakeven == "percent" else None,
        breakeven_r=1.0 if breakeven == "r" else None,
        time_stop=time_stop,
        partial=[
            (kind, amount * (2 if kind == "percent" else 1), fraction) for kind, amount, fraction in partial
        ],
        sizing=sizing,
        size=size,
        max_positions=max_positions,
        fee_bps=fee_bps,
        slippage_bps=slippage_bps,
    )
    nan = float("nan")
    p = parameters(
        stop_percent=rules.stop or nan,
        stop_by_distance=stop_kind == "distance",
        stop_by_level=stop_kind == "level",
        target_percent=rules.target or nan,
        target_r=rules.target_r or nan,
        trailing_percent=trailing or nan,
        breakeven_percent=rules.breakeven or nan,
        breakeven_r=rules.breakeven_r or nan,
        time_stop_bars=time_stop or 0,
        partial_percent=tuple(amount if kind == "percent" else nan for kind, amount, _ in rules.partial),
        partial_r=tuple(amount if kind == "r" else nan for kind, amount, _ in rules.partial),
        partial_fraction=tuple(fraction for _, _, fraction in rules.partial),
        sizing=SIZINGS[sizing],
        size=size,
        max_positions=max_positions,
        fee_bps=fee_bps,
        slippage_bps=slippage_bps,
    )
    bars = {name: panel[name].tolist() for name in ("open", "high", "low", "close")}
    expected = reference.simulate(
        bars, {name: array.tolist() for name, array in arrays.items()}, rules, 10_000.0
    )
    actual = fills(panel, signals_for(panel, **arrays), p, 10_000.0)
    assert [(*fill[:3], *fill[4:]) for fill in actual] == [(*fill[:3], *fill[4:]) for fill in expected]
    assert [fill[3] for fill in actual] == pytest.approx([fill[3] for fill in expected], rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), volume_share=st.sampled_from([float("nan"), 0.00002]))
def test_a_long_only_account_never_borrows_and_equity_is_what_the_fills_say(seed, volume_share):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=80, tickers=4)
    has_bar = ~np.isnan(panel["close"])
    signals = signals_for(
        panel,
        entry_long=(rng.random(has_bar.shape) < 0.3) & has_bar,
        exit_long=(rng.random(has_bar.shape) < 0.2) & has_bar,
    )
    p = parameters(size=70.0, fee_bps=25.0, slippage_bps=10.0, stop_percent=5.0, volume_share=volume_share)
    result = simulate_fills(panel, signals, p, 10_000.0)
    orders = result.orders
    cash = 10_000.0 - np.cumsum(orders["size"] * orders["price"] + orders["fee"])
    assert cash.min(initial=10_000.0) >= 0
    assert np.all(orders["size"] == np.round(orders["size"]))
    assert account_history(orders, forward_filled(panel["close"]), 10_000.0).cash.min() >= 0
