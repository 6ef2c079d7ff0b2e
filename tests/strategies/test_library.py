"""The built-in strategies: each signals where an independent, slow reading of its rules says, and never looks ahead."""

from collections.abc import Callable
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon_pipelines.bars import calendar
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.strategies.exits import PercentDistance
from falcon_pipelines.strategies.library import find_spec, library_names, library_spec
from falcon_pipelines.strategies.lookahead import check_lookahead
from falcon_pipelines.strategies.signals import Signals, compute_signals
from falcon_pipelines.strategies.spec import InvalidSpec, dump_yaml, param_grid, parse_spec
from tests.strategies.panels import (
    lean_day_panel,
    minute_panel,
    new_york_midnights,
    random_day_panel,
    weekdays,
)

NAMES = [
    *("bollinger_mean_reversion", "dual_momentum", "fifty_two_week_breakout", "gap_fill", "golden_cross"),
    *("macd_crossover", "momentum_breakout", "one_candle_momentum", "opening_range_breakout", "rsi2"),
    *("rsi_mean_reversion", "turtle"),
]
INTRADAY = ("gap_fill", "opening_range_breakout")
Rule = Callable[[int], bool]


@pytest.fixture(scope="module", params=["made", "AAPL"])
def bars(request: pytest.FixtureRequest) -> Panel:
    if request.param == "made":
        return random_day_panel(700, 1, seed=5)
    return lean_day_panel(request.getfixturevalue("lean"), "aapl", date(2008, 1, 2), date(2011, 12, 30))


def rows(mask: np.ndarray) -> list[int]:
    return np.flatnonzero(mask[:, 0]).tolist()


def where(rule: Rule, bars: Panel, first: int) -> list[int]:
    return [row for row in range(first, len(bars)) if rule(row)]


def column(bars: Panel, name: str) -> list[float]:
    return bars[name][:, 0].tolist()


def average(values: list[float], row: int, period: int) -> float:
    return sum(values[row - period + 1 : row + 1]) / period


def wilder_rsi(values: list[float], period: int) -> list[float]:
    result = [float("nan")] * len(values)
    changes = [later - earlier for earlier, later in pairwise(values)]
    gain = sum(max(change, 0) for change in changes[:period]) / period
    loss = sum(max(-change, 0) for change in changes[:period]) / period
    for row in range(period, len(values)):
        if row > period:
            gain = (gain * (period - 1) + max(changes[row - 1], 0)) / period
            loss = (loss * (period - 1) + max(-changes[row - 1], 0)) / period
        result[row] = 100 * gain / (gain + loss)
    return result


def exponential(values: list[float], period: int, first: int) -> dict[int, float]:
    """EMA that starts with the mean of the `period` values up to row `first`."""
    result = {first: sum(values[first - period + 1 : first + 1]) / period}
    for row in range(first + 1, len(values)):
        result[row] = result[row - 1] + (values[row] - result[row - 1]) * 2 / (period + 1)
    return result


def signals_of(name: str, bars: Panel) -> Signals:
    signals = compute_signals(library_spec(name), bars)
    assert signals.entry_long.any(), "the bars must contain the case"
    assert not signals.entry_long[: signals.warm_up].any()
    return signals


def test_the_library_is_complete_and_each_spec_reads_back() -> None:
    assert library_names() == NAMES
    for name in NAMES:
        spec = library_spec(name)
        assert spec.name == name
        assert spec.description
        assert parse_spec(dump_yaml(spec)) == spec
        assert len(param_grid(spec)) > 1, "each can be swept"


def test_a_spec_is_found_by_name_or_file_and_a_wrong_name_is_explained() -> None:
    assert find_spec("golden_cross").name == "golden_cross"
    with pytest.raises(InvalidSpec, match="did you mean 'golden_cross'"):
        find_spec("golden_cros")


def test_golden_cross(bars: Panel) -> None:
    signals, close = signals_of("golden_cross", bars), column(bars, "close")

    def above(row: int) -> bool:
        return average(close, row, 50) > average(close, row, 200)

    assert signals.warm_up == 200
    assert rows(signals.entry_long) == where(lambda row: above(row) and not above(row - 1), bars, 200)
    assert rows(signals.exit_long) == where(lambda row: not above(row) and above(row - 1), bars, 200)


def test_rsi2(bars: Panel) -> None:
    signals, close = signals_of("rsi2", bars), column(bars, "close")
    rsi = wilder_rsi(close, 2)
    expected = where(lambda row: close[row] > average(close, row, 200) and rsi[row] < 10, bars, 199)
    assert rows(signals.entry_long) == expected
    assert rows(signals.exit_long) == where(lambda row: close[row] > average(close, row, 5), bars, 4)
    assert signals.rank[300, 0] == pytest.approx(-rsi[300]), "the lowest RSI is taken first"


def test_rsi_mean_reversion(bars: Panel) -> None:
    signals = signals_of("rsi_mean_reversion", bars)
    rsi = wilder_rsi(column(bars, "close"), 14)
    assert rows(signals.entry_long) == where(lambda row: rsi[row] < 45, bars, 14)
    assert rows(signals.exit_long) == where(lambda row: rsi[row] > 55, bars, 14)
    rules = library_spec("rsi_mean_reversion").exit
    assert rules.target == PercentDistance(percent=2.5)
    assert rules.time_stop is not None
    assert rules.time_stop.bars == 12


def test_bollinger_mean_reversion(bars: Panel) -> None:
    signals, close = signals_of("bollinger_mean_reversion", bars), column(bars, "close")

    def lower(row: int) -> float:
        window = close[row - 19 : row + 1]
        mean = sum(window) / 20
        return mean - 2 * (sum((value - mean) ** 2 for value in window) / 20) ** 0.5

    assert rows(signals.entry_long) == where(lambda row: close[row] < lower(row), bars, 19)
    assert rows(signals.exit_long) == where(lambda row: close[row] >= average(close, row, 20), bars, 19)
    rules = library_spec("bollinger_mean_reversion").exit
    assert rules.target == PercentDistance(percent=4)
    assert rules.time_stop is not None
    assert rules.time_stop.bars == 15


def test_momentum_breakout(bars: Panel) -> None:
    signals = signals_of("momentum_breakout", bars)
    close, high, volume = (column(bars, name) for name in ("close", "high", "volume"))

    def breakout(row: int) -> bool:
        usual = sum(volume[row - 20 : row]) / 20
        return close[row] > max(high[row - 20 : row]) and volume[row] >= 1.5 * usual

    assert rows(signals.entry_long) == where(breakout, bars, 20)
    assert not signals.exit_long.any()
    rules = library_spec("momentum_breakout").exit
    assert rules.target == PercentDistance(percent=8)
    assert rules.trailing is not None
    assert rules.trailing.percent == 10
    assert rules.time_stop is not None
    assert rules.time_stop.bars == 20


def test_macd_crossover(bars: Panel) -> None:
    signals, close = signals_of("macd_crossover", bars), column(bars, "close")
    fast, slow = exponential(close, 12, 25), exponential(close, 26, 25)
    line = [fast[row] - slow[row] if row >= 25 else float("nan") for row in range(len(close))]
    signal = exponential(line, 9, 33)

    def above(row: int) -> bool:
        return line[row] > signal[row]

    assert signals.warm_up == 34
    assert rows(signals.entry_long) == where(lambda row: above(row) and not above(row - 1), bars, 34)
    assert rows(signals.exit_long) == where(lambda row: not above(row) and above(row - 1), bars, 34)


def test_turtle(bars: Panel) -> None:
    signals = signals_of("turtle", bars)
    close, high, low = (column(bars, name) for name in ("close", "high", "low"))
    ranges = [max(high[row], close[row - 1]) - min(low[row], close[row - 1]) for row in range(1, len(close))]
    atr = sum(ranges[:20]) / 20
    for each in ranges[20:100]:
        atr = (atr * 19 + each) / 20
    assert rows(signals.entry_long) == where(lambda row: close[row] > max(high[row - 20 : row]), bars, 20)
    assert rows(signals.entry_short) == where(lambda row: close[row] < min(low[row - 20 : row]), bars, 20)
    assert rows(signals.exit_long) == where(lambda row: close[row] < min(low[row - 10 : row]), bars, 10)
    assert rows(signals.exit_short) == where(lambda row: close[row] > max(high[row - 10 : row]), bars, 10)
    assert signals.stop_distance[100, 0] == pytest.approx(2 * atr)


def test_fifty_two_week_breakout(bars: Panel) -> None:
    signals = signals_of("fifty_two_week_breakout", bars)
    close, high = column(bars, "close"), column(bars, "high")
    assert rows(signals.entry_long) == where(lambda row: close[row] > max(high[row - 252 : row]), bars, 252)
    assert rows(signals.exit_long) == where(lambda row: close[row] < average(close, row, 50), bars, 49)


def test_one_candle_momentum_wants_one_strong_day() -> None:
    count = 30
    open_, close = np.full(count, 100.0), np.full(count, 100.2)
    high, low, volume = np.full(count, 101.0), np.full(count, 99.0), np.full(count, 1e6)
    close[25], high[25], volume[25] = 103.0, 103.1, 2e6
    panel = random_day_panel(count, 1)

    def signalled(**changed: float) -> list[int]:
        fields = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
        fields = {name: values.copy()[:, None] for name, values in fields.items()}
        for name, value in changed.items():
            fields[name][25] = value
        made = Panel(panel.timestamps, panel.tickers, fields, "day", "made")
        signals = compute_signals(library_spec("one_candle_momentum"), made)
        assert signals.stop_level_long[25, 0] == 99.0, "the stop is the candle's low"
        return rows(signals.entry_long)

    assert signalled() == [25]
    assert signalled(open=101.5) == [], "a body smaller than the usual range of 2"
    assert signalled(high=105.0) == [], "a close far from the high"
    assert signalled(volume=1.4e6) == [], "no more volume than usual"


def test_dual_momentum_chooses_at_month_ends_the_best_of_twelve_months() -> None:
    days = list(calendar.sessions_from(date(2018, 1, 2), 560))
    close = np.column_stack(
        [100 * 1.0005 ** np.arange(560), 100 * 1.0002 ** np.arange(560), 0.999 ** np.arange(560)]
    )
    panel = Panel(
        new_york_midnights(days),
        ("SPY", "EFA", "AGG"),
        dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": np.full(close.shape, 1e6)},
        "day",
        "made",
    )
    signals = compute_signals(library_spec("dual_momentum"), panel)
    entries = [days[row] for row in np.flatnonzero(signals.entry_long[:, 0])]
    assert entries[:3] == [date(2019, 1, 31), date(2019, 2, 28), date(2019, 3, 29)]
    assert len(entries) == 14
    assert np.array_equal(signals.entry_long[:, 0], signals.entry_long[:, 1])
    assert not signals.entry_long[:, 2].any(), "a falling asset is never bought"
    row = days.index(date(2019, 1, 31))
    assert signals.rank[row, 0] > signals.rank[row, 1] > signals.rank[row, 2]
    year_before = days.index(date(2018, 1, 31))
    assert signals.rank[row, 0] == pytest.approx(100 * (close[row, 0] / close[year_before, 0] - 1))
    assert days[np.flatnonzero(signals.exit_long[:, 0])[-1]] == date(2020, 2, 27)


def five_minutes(closes: list[list[float]]) -> Panel:
    """Sessions of five-minute bars that go through these closes; opens are the closes before."""
    sessions = weekdays(len(closes), date(2024, 6, 3))
    panel = minute_panel(sessions, bar_minutes=5)
    close = np.concatenate([[*given, *[given[-1]] * (78 - len(given))] for given in closes])[:, None]
    open_ = close.copy()
    for day in range(len(closes)):
        open_[78 * day + 1 : 78 * (day + 1)] = close[78 * day : 78 * (day + 1) - 1]
    fields = {
        "open": open_,
        "high": np.maximum(open_, close),
        "low": np.minimum(open_, close),
        "close": close,
    }
    return Panel(panel.timestamps, panel.tickers, fields | {"volume": panel["volume"]}, "minute", "made")


def test_opening_range_breakout() -> None:
    signals = compute_signals(
        library_spec("opening_range_breakout"),
        five_minutes(
            [
                [100, 101, 99, 100, 100, 100, 100.5, 101.5, 102, 100, 101.2],
                [100] * 61 + [103],
                [100] * 59 + [103],
            ]
        ),
    )
    assert rows(signals.entry_long) == [7, 10, 2 * 78 + 59], (
        "close above the range's high, not in the last 90 minutes"
    )
    assert signals.stop_level_long[7, 0] == 99
    assert rows(signals.exit_long)[:2] == [76, 77], "out before the close"


def test_gap_fill() -> None:
    panel = five_minutes([[100], [99, 98.5, 99.5, 100.5], [101.5, 101, 100.2], [104.6], [104.3]])
    signals = compute_signals(library_spec("gap_fill"), panel)
    assert rows(signals.entry_long) == [78], "a gap of -1 % is bought, one of -0.3 % is not"
    assert rows(signals.entry_short) == [2 * 78], "a gap of 1 % is sold, one of 4 % is not"
    assert 78 + 3 in rows(signals.exit_long), "the gap is filled"
    assert 78 + 2 not in rows(signals.exit_long)
    assert rows(signals.exit_short)[2:4] == [78, 79], (
        "below the close of the day before, or the day's last ten minutes"
    )


def panel_for(name: str, seed: int = 3, count: int = 420, gaps: float = 0.03) -> Panel:
    if name in INTRADAY:
        return minute_panel(weekdays(5, date(2024, 6, 28)), bar_minutes=5, seed=seed)
    return random_day_panel(count, 2, seed=seed, gaps=gaps)


@pytest.mark.parametrize("name", NAMES)
def test_no_built_in_strategy_looks_ahead(name: str) -> None:
    report = check_lookahead(library_spec(name), panel_for(name))
    assert report.passed, report.differences
    assert report.first_entry is None or report.first_entry >= report.warm_up


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1_000))
def test_no_built_in_strategy_looks_ahead_with_any_parameters(
    name: str, data: st.DataObject, seed: int
) -> None:
    panel = panel_for(name, seed, count=330, gaps=data.draw(st.sampled_from([0.0, 0.3])))
    spec = library_spec(name).with_params(data.draw(st.sampled_from(param_grid(library_spec(name)))))
    stop = data.draw(st.integers(1, len(panel) - 1))
    whole, early = compute_signals(spec, panel), compute_signals(spec, panel.rows(0, stop))
    for part in early.__dataclass_fields__:
        if part != "warm_up":
            assert np.array_equal(getattr(early, part), getattr(whole, part)[:stop], equal_nan=True)
