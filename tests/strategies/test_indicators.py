"""Every indicator of the registry: no look-ahead, the warm-up it says, values from its definition."""

from datetime import date

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.strategies.indicators import INDICATORS, Indicator
from falcon_pipelines.strategies.workspace import Workspace
from tests.strategies.panels import minute_panel, random_day_panel, weekdays

NAMES = sorted(INDICATORS)
DAYS = random_day_panel(160, 2, seed=11)
GAPPY = random_day_panel(160, 2, seed=12, gaps=0.2)
MINUTES = minute_panel(weekdays(4, date(2024, 7, 1)), bar_minutes=15)


def smallest(indicator: Indicator) -> dict[str, float]:
    """Arguments that need little history: the defaults, and 7 bars where there is none."""
    given = {each.name: 7 for each in indicator.parameters if each.default is None}
    if indicator.name == "percent_rank":
        given["period"] = 20
    return indicator.arguments(given)


def on(panel: Panel, indicator: Indicator, arguments: dict[str, float]) -> tuple[np.ndarray, ...]:
    workspace = Workspace(panel, "day" if panel.frequency == "day" else "15m")
    outputs = workspace.indicator(indicator.name, arguments, workspace.field("close"), "close")
    return tuple(workspace.unpacked(output, np.nan) for output in outputs)


def bars_for(indicator: Indicator) -> Panel:
    return MINUTES if indicator.coarsest == "1h" else DAYS


def test_there_are_at_least_forty_besides_the_candles() -> None:
    assert len([name for name in NAMES if not name.startswith("candle_")]) >= 40
    assert len([name for name in NAMES if name.startswith("candle_")]) == 61


@pytest.mark.parametrize("name", NAMES)
def test_it_names_its_convention_and_has_values_from_its_warm_up_on(name: str) -> None:
    indicator = INDICATORS[name]
    assert len(indicator.convention) > 10
    panel = bars_for(indicator)
    arguments = smallest(indicator)
    for output, lookback in zip(on(panel, indicator, arguments), indicator.lookbacks(arguments), strict=True):
        assert output.shape == panel["close"].shape
        assert np.isnan(output[:lookback]).all()
        if indicator.name not in ("opening_range", "gap", "prior_day", "pivot_points"):
            assert np.isfinite(output[lookback]).all()
        assert np.isfinite(output[lookback:]).any()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4, deadline=None)
@given(stop=st.integers(1, 159), gaps=st.booleans())
def test_it_never_looks_ahead(name: str, stop: int, gaps: bool) -> None:
    indicator = INDICATORS[name]
    panel = MINUTES if indicator.coarsest == "1h" else GAPPY if gaps else DAYS
    stop = min(stop, len(panel) - 1)
    arguments = smallest(indicator)
    for early, whole in zip(
        on(panel.rows(0, stop), indicator, arguments), on(panel, indicator, arguments), strict=True
    ):
        assert np.array_equal(early, whole[:stop], equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 10_000), gaps=st.sampled_from([0.0, 0.05, 0.5]))
def test_it_never_looks_ahead_with_any_parameters(
    name: str, data: st.DataObject, seed: int, gaps: float
) -> None:
    indicator = INDICATORS[name]
    panel = (
        minute_panel(weekdays(3), bar_minutes=15, seed=seed)
        if indicator.coarsest == "1h"
        else random_day_panel(90, 2, seed=seed, gaps=gaps)
    )
    given = {}
    for each in indicator.parameters:
        low, high = each.bounds.low or each.bounds.above or 0, each.bounds.high or 100
        if each.bounds.integer:
            given[each.name] = data.draw(st.integers(int(low), min(int(high), 30)), label=each.name)
        else:
            given[each.name] = data.draw(st.floats(low + 0.01, min(high, 5.0)), label=each.name)
    stop = data.draw(st.integers(1, len(panel) - 1), label="stop")
    arguments = indicator.arguments(given)
    for early, whole in zip(
        on(panel.rows(0, stop), indicator, arguments), on(panel, indicator, arguments), strict=True
    ):
        assert np.array_equal(early, whole[:stop], equal_nan=True)


def column(name: str) -> np.ndarray:
    return np.ascontiguousarray(DAYS[name][:, 0])


def value(name: str, output: str = "", panel: Panel = DAYS, **given: float) -> np.ndarray:
    indicator = INDICATORS[name]
    outputs = on(panel, indicator, indicator.arguments(given))
    return outputs[indicator.outputs.index(output) if output else 0][:, 0]


def test_rsi_and_atr_are_wilders() -> None:
    close, high, low = column("close"), column("high"), column("low")
    changes = np.diff(close)
    gain, loss = np.maximum(changes, 0)[:14].mean(), np.maximum(-changes, 0)[:14].mean()
    for change in changes[14:]:
        gain, loss = (gain * 13 + max(change, 0)) / 14, (loss * 13 + max(-change, 0)) / 14
    assert value("rsi")[-1] == pytest.approx(100 * gain / (gain + loss))
    ranges = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    average = ranges[:14].mean()
    for each in ranges[14:]:
        average = (average * 13 + each) / 14
    assert value("atr")[-1] == pytest.approx(average)


def test_bollinger_uses_the_population_deviation() -> None:
    last = column("close")[-20:]
    assert value("bollinger", "upper")[-1] == pytest.approx(last.mean() + 2 * last.std(ddof=0))
    assert value("bollinger", "percent_b")[-1] == pytest.approx(
        (last[-1] - last.mean()) / (4 * last.std()) + 0.5
    )


def test_hull_average_is_built_from_weighted_averages() -> None:
    def weighted(values: np.ndarray) -> float:
        return float(np.average(values, weights=np.arange(1, len(values) + 1)))

    close = column("close")
    raw = [2 * weighted(close[end - 8 : end]) - weighted(close[end - 16 : end]) for end in range(157, 161)]
    assert value("hma", period=16)[-1] == pytest.approx(weighted(np.array(raw)))


def test_stochastic_rsi_is_the_smoothed_place_of_rsi_in_its_range() -> None:
    rsi = talib.RSI(column("close"), 14)
    raw = [
        100 * (rsi[end] - rsi[end - 13 : end + 1].min()) / np.ptp(rsi[end - 13 : end + 1])
        for end in range(155, 160)
    ]
    smooth = [np.mean(raw[index : index + 3]) for index in range(3)]
    assert value("stoch_rsi", "k")[-1] == pytest.approx(smooth[-1])
    assert value("stoch_rsi", "d")[-1] == pytest.approx(np.mean(smooth))


def test_a_close_can_be_beyond_the_donchian_channel() -> None:
    high, low = column("high"), column("low")
    assert value("donchian", "upper")[-1] == high[-21:-1].max()
    assert value("donchian", "lower")[-1] == low[-21:-1].min()
    assert (column("close")[20:] > value("donchian", "upper")[20:]).any()


def test_supertrend_flips_where_the_close_passes_its_line() -> None:
    line, direction, close = value("supertrend", "line"), value("supertrend", "direction"), column("close")
    flips = np.flatnonzero(np.diff(direction[10:])) + 11
    assert len(flips) > 1
    for flip in flips:
        assert (close[flip] > line[flip - 1]) == (direction[flip] > 0)
    known = direction[10:]
    assert ((close[10:] > line[10:]) == (known > 0)).all()
    same = known[1:] == known[:-1]
    steps = np.diff(line[10:]) * known[1:]
    assert (steps[same] >= -1e-12).all()


def test_keltner_and_ichimoku_are_built_from_their_pieces() -> None:
    close, high, low = column("close"), column("high"), column("low")
    assert value("keltner", "upper")[-1] == pytest.approx(
        talib.EMA(close, 20)[-1] + 2 * talib.ATR(high, low, close, 10)[-1]
    )

    def middle(end: int, period: int) -> float:
        return float(high[end - period + 1 : end + 1].max() + low[end - period + 1 : end + 1].min()) / 2

    assert value("ichimoku", "base")[-1] == middle(159, 26)
    assert value("ichimoku", "span_a")[-1] == pytest.approx((middle(133, 9) + middle(133, 26)) / 2)
    assert value("ichimoku", "span_b")[-1] == middle(133, 52)


def test_volume_ratio_compares_with_the_bars_before() -> None:
    volume = column("volume")
    assert value("volume_ratio")[-1] == pytest.approx(volume[-1] / volume[-21:-1].mean())


def test_streak_and_percent_rank_count() -> None:
    close = column("close")
    streak = value("streak")
    assert streak[0] == 0
    for bar in range(1, 160):
        up = np.sign(close[bar] - close[bar - 1])
        assert streak[bar] == (streak[bar - 1] + up if np.sign(streak[bar - 1]) == up else up)
    assert value("percent_rank", period=50)[-1] == 100 * (close[-51:-1] < close[-1]).mean()


def test_session_vwap_starts_anew_each_day() -> None:
    price = ((MINUTES["high"] + MINUTES["low"] + MINUTES["close"]) / 3)[:, 0]
    volume = MINUTES["volume"][:, 0]
    vwap = value("vwap", panel=MINUTES)
    assert vwap[26] == pytest.approx(price[26])
    assert vwap[30] == pytest.approx(np.average(price[26:31], weights=volume[26:31]))


def test_the_opening_range_is_known_only_when_it_is_over() -> None:
    high, low = value("opening_range", "high", MINUTES), value("opening_range", "low", MINUTES)
    assert np.isnan(high[26:28]).all()
    assert high[28] == high[51] == MINUTES["high"][26:28, 0].max()
    assert low[28] == MINUTES["low"][26:28, 0].min()


def test_gap_day_before_and_pivots_come_from_the_session_before() -> None:
    first = {name: MINUTES[name][:26, 0] for name in ("open", "high", "low", "close")}
    high, low, close = first["high"].max(), first["low"].min(), first["close"][-1]
    assert value("prior_day", "high", MINUTES)[26] == high
    assert value("prior_day", "open", MINUTES)[40] == first["open"][0]
    assert value("gap", panel=MINUTES)[40] == pytest.approx(100 * (MINUTES["open"][26, 0] / close - 1))
    pivot = (high + low + close) / 3
    assert value("pivot_points", "pivot", MINUTES)[30] == pytest.approx(pivot)
    assert value("pivot_points", "r1", MINUTES)[30] == pytest.approx(2 * pivot - low)
    assert value("pivot_points", "s2", MINUTES)[30] == pytest.approx(pivot - (high - low))
    assert value("day_so_far", "high", MINUTES)[30] == MINUTES["high"][26:31, 0].max()


def test_the_session_clock_knows_early_closes() -> None:
    to_close = value("session_clock", "to_close", MINUTES)
    assert to_close[0] == 390
    assert to_close[2 * 26] == 210, "the third of July closes at 13:00"


def test_month_ends_come_from_the_exchange_calendar() -> None:
    panel = random_day_panel(30, 1)
    to_end = value("month_position", "to_end", panel)
    days = weekdays(30)
    assert [days[bar] for bar in np.flatnonzero(to_end == 0)] == [date(2020, 1, 31)]
    assert value("month_position", "from_start", panel)[days.index(date(2020, 2, 3))] == 1
    assert value("day_of_week", panel=panel)[0] == 1


def test_a_bullish_engulfing_candle_is_seen() -> None:
    opens = np.array([10.0] * 12 + [10.0, 9.0])
    closes = np.array([10.1] * 12 + [9.2, 10.4])
    panel = random_day_panel(14, 1)
    fields = {
        "open": opens,
        "close": closes,
        "high": np.maximum(opens, closes),
        "low": np.minimum(opens, closes),
    }
    fields = {name: values[:, None] for name, values in fields.items()} | {"volume": panel["volume"]}
    made = Panel(panel.timestamps, panel.tickers, fields, "day", "made")
    assert value("candle_engulfing", panel=made)[-1] == 100
    assert value("candle_engulfing", panel=made)[-2] == 0
