"""Coarser bars from finer ones: which bars they hold, and that nothing incomplete is used."""

from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
import talib

from falcon_pipelines.bars.panel import FIELDS, Panel
from falcon_pipelines.strategies.signals import compute_signals
from falcon_pipelines.strategies.spec import InvalidSpec, parse_spec
from falcon_pipelines.strategies.timeframes import WrongBars, at_timeframe
from tests.strategies.panels import (
    NEW_YORK,
    lean_minute_panel,
    minute_panel,
    new_york_midnights,
    random_day_panel,
    weekdays,
)

JULY = weekdays(4, date(2024, 7, 1))


def without(panel: Panel, rows: list[int]) -> Panel:
    """The panel with NaN for its only ticker on those rows."""
    fields = {name: panel[name].copy() for name in FIELDS}
    for values in fields.values():
        values[rows] = np.nan
    return Panel(panel.timestamps, panel.tickers, fields, panel.frequency, panel.version)


def local_times(panel: Panel) -> list[str]:
    seconds = panel.timestamps.astype("datetime64[s]").astype(int)
    return [datetime.fromtimestamp(second, NEW_YORK).strftime("%d %H:%M") for second in seconds]


def test_minutes_become_five_minute_bars() -> None:
    minutes = minute_panel(JULY[:1])
    bars = at_timeframe(minutes, "5m")
    assert len(bars) == 78
    assert local_times(bars)[:2] == ["01 09:30", "01 09:35"]
    for name, reduce in (("high", np.max), ("low", np.min), ("volume", np.sum)):
        assert bars[name][3, 0] == pytest.approx(reduce(minutes[name][15:20, 0]))
    assert bars["open"][3, 0] == minutes["open"][15, 0]
    assert bars["close"][3, 0] == minutes["close"][19, 0]


def test_a_bar_of_which_minutes_are_missing_is_made_of_the_rest_and_one_without_any_is_absent() -> None:
    minutes = without(minute_panel(JULY[:1]), [5, 9, *range(10, 15)])
    bars = at_timeframe(minutes, "5m")
    assert bars["open"][1, 0] == minutes["open"][6, 0]
    assert bars["close"][1, 0] == minutes["close"][8, 0]
    assert np.isnan([bars[name][2, 0] for name in FIELDS]).all()


def test_the_last_bar_is_left_out_until_it_is_over() -> None:
    minutes = minute_panel(JULY[:1])
    assert len(at_timeframe(minutes.rows(0, 14), "5m")) == 2
    assert len(at_timeframe(minutes.rows(0, 15), "5m")) == 3
    assert len(at_timeframe(minutes.rows(0, 389), "day")) == 0
    assert len(at_timeframe(minutes, "day")) == 1


def test_an_early_close_ends_the_day_and_its_last_hour() -> None:
    half_day = at_timeframe(minute_panel([date(2024, 7, 3)], bars_per_session=390), "1h")
    assert local_times(half_day) == ["03 09:30", "03 10:30", "03 11:30", "03 12:30"]
    assert len(at_timeframe(minute_panel([date(2024, 7, 3)], bars_per_session=210), "day")) == 1


def test_pre_and_post_market_bars_are_left_out() -> None:
    minutes = minute_panel(JULY[:1])
    early = minutes.timestamps - np.timedelta64(60, "m")
    shifted = Panel(early, minutes.tickers, minutes.fields, "minute", "x")
    bars = at_timeframe(shifted, "1m")
    assert local_times(bars)[0] == "01 09:30"
    assert len(bars) == 330


def test_real_minutes_of_an_early_close_make_its_bars(lean: Path) -> None:
    minutes = lean_minute_panel(lean, "goog", date(2015, 12, 24))
    half_hours = at_timeframe(minutes, "30m")
    assert local_times(half_hours)[0] == "24 09:30"
    assert local_times(half_hours)[-1] == "24 12:30"
    assert len(half_hours) == 7
    day = at_timeframe(minutes, "day")
    assert local_times(day) == ["24 00:00"]
    assert day["open"][0, 0] == half_hours["open"][0, 0]
    assert day["close"][0, 0] == half_hours["close"][-1, 0]
    assert day["volume"][0, 0] == pytest.approx(half_hours["volume"].sum())
    assert day["volume"][0, 0] < minutes["volume"].sum(), "pre- and post-market volume is not the session's"


def test_bars_on_a_holiday_are_left_out() -> None:
    assert (
        len(at_timeframe(minute_panel([date(2024, 7, 3), date(2024, 7, 4)], bars_per_session=210), "1h")) == 4
    )


def test_day_bars_start_at_midnight_new_york() -> None:
    days = at_timeframe(minute_panel(JULY[:2]), "day")
    assert days.frequency == "day"
    assert local_times(days) == ["01 00:00", "02 00:00"]


def test_bars_that_are_too_coarse_are_refused() -> None:
    with pytest.raises(WrongBars, match="needs 5m bars, these are day bars"):
        at_timeframe(random_day_panel(5), "5m")
    with pytest.raises(WrongBars, match="15 minutes apart"):
        at_timeframe(minute_panel(JULY, bar_minutes=15), "5m")
    spec = parse_spec("spec_version: 1\nname: x\ntimeframe: 5m\nentry: {long: {gt: [close, 5]}}")
    with pytest.raises(WrongBars, match="these are finer"):
        compute_signals(spec, minute_panel(JULY))


HOURLY = """
spec_version: 1
name: x
timeframe: 5m
indicators: [{id: hour, fn: ema, params: {period: 3}, timeframe: 1h}, {id: day, fn: sma, params: {period: 2}, timeframe: day}]
entry: {long: {gt: [close, hour]}, short: {lt: [close, day]}}
execution: {rank_by: RANK}
"""


def test_an_hourly_indicator_changes_when_its_hour_is_over() -> None:
    bars = minute_panel(weekdays(3, date(2024, 7, 8)), bar_minutes=5)
    rank = compute_signals(parse_spec(HOURLY.replace("RANK", "hour")), bars).rank[:, 0]
    hourly = at_timeframe(bars, "1h")["close"][:, 0].copy()
    expected = talib.EMA(hourly, 3)
    assert np.all(rank[:35] == -np.inf), "the third hour ends with the 36th bar"
    assert rank[35] == expected[2]
    assert rank[46] == expected[2]
    assert rank[47] == expected[3]
    assert rank[77] == expected[6], "the last hour of the day has only 30 minutes"


def test_a_daily_indicator_on_intraday_bars_knows_today_only_at_the_close() -> None:
    bars = minute_panel(weekdays(4, date(2024, 7, 8)), bar_minutes=5)
    signals = compute_signals(parse_spec(HOURLY.replace("RANK", "day")), bars)
    closes = bars["close"][77::78, 0]
    assert signals.rank[3 * 78 - 2, 0] == pytest.approx(closes[:2].mean())
    assert signals.rank[3 * 78 - 1, 0] == pytest.approx(closes[1:3].mean())
    assert signals.warm_up == 35


def test_weekly_and_monthly_bars_end_with_their_last_session() -> None:
    days = [day for day in weekdays(60, date(2024, 3, 4)) if day != date(2024, 3, 29)]
    panel = random_day_panel(59, 1)
    panel = Panel(new_york_midnights(days), panel.tickers, panel.fields, "day", "x")
    text = (
        "spec_version: 1\nname: x\nindicators: [{id: r, fn: roc, params: {period: 1}, timeframe: TF}]\n"
        "entry: {long: {gt: [r, 0]}}\nexecution: {rank_by: r}"
    )
    close = panel["close"][:, 0]
    weekly = compute_signals(parse_spec(text.replace("TF", "week")), panel)
    friday = days.index(date(2024, 3, 15))
    assert weekly.rank[friday, 0] == pytest.approx(100 * (close[friday] / close[friday - 5] - 1))
    assert np.all(weekly.rank[:friday] == -np.inf)
    thursday = days.index(date(2024, 3, 28))
    assert weekly.rank[thursday, 0] == pytest.approx(100 * (close[thursday] / close[thursday - 4] - 1)), (
        "Good Friday ends that week on Thursday"
    )
    monthly = compute_signals(parse_spec(text.replace("TF", "month")), panel)
    april = days.index(date(2024, 4, 30))
    assert monthly.rank[april - 1, 0] == -np.inf
    assert monthly.rank[april, 0] == pytest.approx(100 * (close[april] / close[thursday] - 1))
    assert monthly.warm_up == april


@pytest.mark.parametrize("rank", ["hour", "day"])
def test_coarser_indicators_do_not_look_ahead(rank: str) -> None:
    spec = parse_spec(HOURLY.replace("RANK", rank) + "sizing: {volatility_target: 10}")
    bars = without(minute_panel(weekdays(25, date(2024, 6, 3)), bar_minutes=5), [7, 11, 80, 81, 155, 300])
    whole = compute_signals(spec, bars)
    assert np.isfinite(whole.volatility).any()
    for stop in [*range(1, 170, 7), *range(20 * 78 - 3, 20 * 78 + 3), 1900]:
        early = compute_signals(spec, bars.rows(0, stop))
        for name in early.__dataclass_fields__:
            if name != "warm_up":
                assert np.array_equal(getattr(early, name), getattr(whole, name)[:stop], equal_nan=True), (
                    name,
                    stop,
                )


def test_a_coarser_indicator_may_be_computed_on_another_of_its_timeframe_only() -> None:
    text = (
        "spec_version: 1\nname: x\nindicators: [{id: r, fn: rsi, params: {period: 2}, timeframe: week}, "
        "{id: s, fn: sma, source: r, params: {period: 2}TF}]\n"
        "entry: {long: {gt: [s, 0]}}\nexecution: {rank_by: s}"
    )
    panel = random_day_panel(60, 1)
    rank = compute_signals(parse_spec(text.replace("TF", ", timeframe: week")), panel).rank[:, 0]
    fridays = panel["close"][4::5, 0].copy()
    known = rank[np.isfinite(rank)]
    assert known[-1] == pytest.approx(talib.SMA(talib.RSI(fridays, 2), 2)[-1], rel=0.5)
    with pytest.raises(InvalidSpec, match="'r' is on week bars and s on day: must be the same"):
        parse_spec(text.replace("TF", ""))
    with pytest.raises(InvalidSpec, match="'1m' is finer than the strategy's day"):
        parse_spec(text.replace("TF", ", timeframe: 1m"))


def test_what_means_nothing_on_day_bars_is_refused() -> None:
    text = "spec_version: 1\nname: x\nindicators: [{id: v, fn: vwap}]\nentry: {long: {gt: [close, v]}}"
    with pytest.raises(InvalidSpec, match="vwap means nothing on day bars; allowed: 1m, 5m, 15m, 30m, 1h"):
        parse_spec(text)


def test_a_bar_after_the_calendars_last_session_does_not_change_what_was_complete() -> None:
    days = weekdays(40, date(2024, 3, 4))
    assert date(2024, 3, 29) in days, "Good Friday: no session, yet these bars have it"
    panel = random_day_panel(40, 1)
    panel = Panel(new_york_midnights(days), panel.tickers, panel.fields, "day", "x")
    spec = parse_spec(
        "spec_version: 1\nname: x\nindicators: [{id: h, fn: highest, params: {period: 1}, timeframe: week}]\n"
        "entry: {long: {gt: [close, h]}}\nexecution: {rank_by: h}"
    )
    whole = compute_signals(spec, panel)
    thursday = days.index(date(2024, 3, 28))
    assert whole.rank[thursday, 0] == compute_signals(spec, panel.rows(0, thursday + 1)).rank[thursday, 0]
