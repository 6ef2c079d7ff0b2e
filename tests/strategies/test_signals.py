"""What specs signal on bars."""

import numpy as np
import pytest
import talib

from falcon_pipelines.strategies.signals import Signals, compute_signals, workspace_for
from falcon_pipelines.strategies.spec import Spec, parse_spec
from tests.strategies.panels import day_panel, random_day_panel


def spec_of(rule: str, more: str = "") -> Spec:
    return parse_spec(f"spec_version: 1\nname: x\nentry: {{long: {rule}}}\n{more}")


def bars_signalled(rule: str, closes: list[float], more: str = "", **fields: np.ndarray) -> list[int]:
    signals = compute_signals(spec_of(rule, more), day_panel(closes, **fields))
    return np.flatnonzero(signals.entry_long[:, 0]).tolist()


NAN = float("nan")


@pytest.mark.parametrize(
    ("rule", "closes", "expected"),
    [
        ("{gt: [close, 5]}", [4, 5, 6], [2]),
        ("{gte: [close, 5]}", [4, 5, 6], [1, 2]),
        ("{lt: [close, 5]}", [4, 5, 6], [0]),
        ("{lte: [close, 5]}", [4, 5, 6], [0, 1]),
        ("{between: [close, 5, 6]}", [4, 5, 6, 7], [1, 2]),
        ("{crosses_above: [close, 5]}", [6, 4, 5, 6, 7, 5, 6], [3, 6]),
        ("{crosses_below: [close, 5]}", [4, 6, 5, 4, 3], [3]),
        ("{gt: [close, {lag: [close, 2]}]}", [5, 4, 6, 4, 5], [2]),
        ("{gte: [close, {highest: [close, 3]}]}", [5, 4, 6, 7, 5], [2, 3]),
        ("{lte: [close, {lowest: [close, 2]}]}", [5, 4, 6, 7, 5], [1, 4]),
        ("{gte: [{pct_change: [close, 1]}, 50]}", [4, 6, 7, 14], [1, 3]),
        ("{gt: [{div: [{sub: [close, 2]}, {mul: [close, 0]}]}, 0]}", [4, 6], []),
        ("{not: {gt: [close, {lag: [close, 1]}]}}", [4, 5, 5, 6], [2]),
        ("{within_last: {bars: 2, of: {gt: [close, 5]}}}", [4, 6, 4, 4, 6], [1, 2, 4]),
        ("{for_n_bars: {bars: 2, of: {gt: [close, 5]}}}", [6, 6, 4, 6, 6, 6], [1, 4, 5]),
        ("{not: {within_last: {bars: 2, of: {gt: [close, 5]}}}}", [4, 4, 6, 4, 4], [1, 4]),
        ("{any: [{gt: [close, 5]}, {gt: [close, {lag: [close, 9]}]}]}", [4, 6], [1]),
        ("{all: [{gt: [close, 3]}, {not: {gt: [close, 5]}}]}", [2, 4, 6], [1]),
        ("{not: {all: [{gt: [close, {lag: [close, 9]}]}, {gt: [close, 5]}]}}", [4, 6], [0]),
        ("{gt: [close, {lag: [close, 1]}]}", [4, NAN, 5, NAN, 4], [2]),
        ("{crosses_above: [close, 5]}", [4, NAN, 6], [2]),
    ],
)
def test_a_condition_holds_exactly_where_it_says(rule: str, closes: list[float], expected: list[int]) -> None:
    assert bars_signalled(rule, closes) == expected


def test_a_halted_day_does_not_poison_an_indicator() -> None:
    closes = np.linspace(10, 40, 40) + np.sin(np.arange(40))
    halted = np.insert(closes, 20, NAN)
    spec = spec_of(
        "{gt: [close, e]}", "indicators: [{id: e, fn: ema, params: {period: 5}}]\nexecution: {rank_by: e}"
    )
    whole = compute_signals(spec, day_panel(closes))
    gappy = compute_signals(spec, day_panel(halted))
    assert np.array_equal(np.delete(gappy.entry_long, 20, axis=0), whole.entry_long)
    assert np.array_equal(np.delete(gappy.rank, 20, axis=0), whole.rank)
    assert not gappy.entry_long[20, 0]


def test_an_indicator_may_be_computed_on_another() -> None:
    panel = random_day_panel(60, 1)
    more = (
        "indicators: [{id: r, fn: rsi, params: {period: 5}}, "
        "{id: s, fn: sma, source: r, params: {period: 3}}]"
    )
    signals = compute_signals(spec_of("{gt: [close, 0]}", more + "\nexecution: {rank_by: s}"), panel)
    expected = talib.SMA(talib.RSI(panel["close"][:, 0].copy(), 5), 3)
    assert np.allclose(signals.rank[7:, 0], expected[7:])
    assert np.all(signals.rank[:7] == -np.inf)


def test_stops_are_known_on_the_signal_bar_and_no_entry_is_signalled_without_one() -> None:
    panel = random_day_panel(40, 1)
    high, low, close = (panel[name][:, 0].copy() for name in ("high", "low", "close"))
    atr = compute_signals(spec_of("{gt: [close, 0]}", "exit: {stop: {atr: {period: 5, multiple: 2}}}"), panel)
    assert np.allclose(atr.stop_distance[5:, 0], 2 * talib.ATR(high, low, close, 5)[5:])
    assert np.flatnonzero(atr.entry_long)[0] == atr.warm_up == 5
    swing = compute_signals(spec_of("{gt: [close, 0]}", "exit: {stop: {swing: {bars: 4}}}"), panel)
    assert swing.stop_level_long[10, 0] == low[7:11].min()
    assert swing.stop_level_short[10, 0] == high[7:11].max()
    assert np.isnan(swing.stop_distance).all()
    line = "indicators: [{id: s, fn: sma, params: {period: 3}}]\nexit: {stop: {indicator: s}}"
    level = compute_signals(spec_of("{gt: [close, 0]}", line), panel)
    assert np.allclose(level.stop_level_long[2:, 0], talib.SMA(close, 3)[2:])


def test_exits_are_for_the_sides_that_are_entered() -> None:
    more = "exit: {signal: {gt: [close, 5]}}"
    signals = compute_signals(spec_of("{gt: [close, 0]}", more), day_panel([4, 6]))
    assert signals.exit_long[:, 0].tolist() == [False, True]
    assert not signals.exit_short.any()
    assert not signals.entry_short.any()


def test_lower_is_taken_first_when_the_rank_is_ascending() -> None:
    more = "execution: {rank_by: close, rank_order: ascending}"
    rank = compute_signals(spec_of("{gt: [close, 0]}", more), day_panel(np.array([[4.0, 6.0]]))).rank
    assert rank[0, 0] > rank[0, 1]


def test_volatility_is_annualised_from_twenty_daily_returns() -> None:
    panel = random_day_panel(30, 1)
    signals = compute_signals(spec_of("{gt: [close, 0]}", "sizing: {volatility_target: 15}"), panel)
    returns = np.diff(panel["close"][:, 0]) / panel["close"][:-1, 0]
    assert signals.volatility[25, 0] == pytest.approx(returns[5:25].std(ddof=1) * 252**0.5)
    assert signals.warm_up == 20
    assert np.flatnonzero(signals.entry_long)[0] == 20


def assert_same(left: Signals, right: Signals) -> None:
    for name in left.__dataclass_fields__:
        assert np.array_equal(getattr(left, name), getattr(right, name), equal_nan=name != "warm_up"), name


def test_a_shared_workspace_gives_the_same_signals_as_the_spec_with_its_params() -> None:
    more = (
        "params: {n: {value: 5, values: [3, 5, 8]}, top: {value: 60}}\n"
        "indicators: [{id: r, fn: rsi, params: {period: $n}}, "
        "{id: s, fn: sma, source: r, params: {period: $n}}]\n"
        "exit: {signal: {gt: [r, $top]}, stop: {atr: {period: $n, multiple: 2}}}"
    )
    spec = spec_of("{crosses_above: [r, s]}", more)
    panel = random_day_panel(80, 3, gaps=0.1)
    workspace = workspace_for(spec, panel)
    for n in (3, 5, 8, 3):
        values = {"n": n, "top": 50 + n}
        assert_same(
            compute_signals(spec, workspace, values), compute_signals(spec.with_params(values), panel)
        )


def test_what_a_bar_signals_does_not_change_when_later_bars_arrive() -> None:
    more = (
        "indicators: [{id: r, fn: rsi, params: {period: 4}}, {id: b, fn: bollinger, params: {period: 6}}]\n"
        "exit: {signal: {gt: [r, 60]}, stop: {atr: {multiple: 2}}}\nexecution: {rank_by: r}"
    )
    spec = spec_of(
        "{any: [{crosses_below: [close, b.lower]}, {within_last: {bars: 3, of: {lt: [r, 30]}}}]}", more
    )
    panel = random_day_panel(90, 3, seed=4, gaps=0.15)
    whole = compute_signals(spec, panel)
    assert whole.entry_long.any()
    for stop in range(1, 90):
        early = compute_signals(spec, panel.rows(0, stop))
        for name in early.__dataclass_fields__:
            if name != "warm_up":
                assert np.array_equal(getattr(early, name), getattr(whole, name)[:stop], equal_nan=True), name
