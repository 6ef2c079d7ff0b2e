"""Features say what their name says, equal the indicators of strategies, and never see a later bar."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.profiles.catalogue import FAMILIES, feature
from falcon_pipelines.screening.features import feature_table
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.workspace import Workspace
from tests.screening.markets import last_session, market, names, panel_of, random_panel, reference

OF_BARS = [name for name, about in FAMILIES.items() if about.need == "bars"]
FOUR = names(4)


def value(panel: Panel, name: str, ticker: int = 0) -> float | None:
    return feature_table(market(panel), [name])[name][ticker]


def flat(*closes: float, count: int = 300) -> Panel:
    return panel_of(np.array([[20.0]] * (count - len(closes)) + [[c] for c in closes]), ("A",))


def test_returns_are_percent_changes_over_their_window() -> None:
    panel = flat(22.0)
    assert value(panel, "return_1") == pytest.approx(10)
    assert value(panel, "return_21") == pytest.approx(10)
    assert value(panel, "return") == value(panel, "return_1")


def test_volumes_and_gaps() -> None:
    panel = flat()
    panel["volume"][-1] = 3e6
    panel["open"][-1] = 21.0
    assert value(panel, "relative_volume") == pytest.approx(3)
    assert value(panel, "average_volume") == pytest.approx(1.1e6)
    assert value(panel, "dollar_volume_5") == pytest.approx(1.4e6 * 20)
    assert value(panel, "gap") == pytest.approx(5)


def test_distances_and_the_place_of_the_close() -> None:
    panel = flat(25.0, 24.0)
    assert value(panel, "distance_to_high_252") == pytest.approx((24 / 25.5 - 1) * 100)
    assert value(panel, "distance_to_low_252") == pytest.approx((24 / 19.5 - 1) * 100)
    assert value(panel, "distance_to_sma_20") == pytest.approx((24 / ((18 * 20 + 49) / 20) - 1) * 100)
    assert value(panel, "close_location") == pytest.approx(50)


def test_volatility_is_the_annualised_deviation_of_log_returns() -> None:
    panel = random_panel(FOUR, 60)
    returns = np.diff(np.log(panel["close"][-21:, 2]))
    assert value(panel, "volatility", 2) == pytest.approx(returns.std(ddof=1) * np.sqrt(252) * 100)


@pytest.mark.parametrize("period", [2, 5, 14, 50])
def test_rsi_and_atr_equal_the_indicators_of_strategies(period: int) -> None:
    panel = random_panel(FOUR, 300)
    for field in panel.fields.values():
        field[[40, 41, 150], 1] = np.nan  # halted
        field[:280, 3] = np.nan  # new
    table = feature_table(market(panel), [f"rsi_{period}", f"atr_percent_{period}"], [period])
    workspace = Workspace(panel, "day")
    for name, column in (
        ("rsi", f"rsi_{period}"),
        ("atr", f"atr_{period}"),
        ("natr", f"atr_percent_{period}"),
    ):
        for index in range(4):
            [values] = INDICATORS[name].on_column(
                workspace.column(index, workspace.field("close")), {"period": period}
            )
            found = table[column][index]
            if np.isnan(values[-1]):
                assert found is None
            else:
                assert found == pytest.approx(values[-1], rel=1e-9, abs=1e-8)


def test_a_price_that_never_moved_has_the_rsi_that_strategies_give_it() -> None:
    panel = flat()
    workspace = Workspace(panel, "day")
    [values] = INDICATORS["rsi"].on_column(workspace.column(0, workspace.field("close")), {"period": 14})
    assert value(panel, "rsi_14") == values[-1]


@pytest.mark.parametrize("name", OF_BARS)
def test_too_short_a_history_is_missing_not_zero(name: str) -> None:
    about = feature(name)
    assert about is not None
    if about.sessions > 1:
        assert value(random_panel(FOUR, about.sessions - 1), name) is None
    assert value(random_panel(FOUR, about.sessions), name) is not None


@pytest.mark.parametrize("name", OF_BARS)
def test_no_feature_sees_a_later_bar(name: str) -> None:
    panel = random_panel(FOUR, 320, seed=5)
    cut = panel.rows(0, 300)
    known = feature_table(market(cut), [name])
    for field in panel.fields.values():
        field[300:] *= 7
    assert feature_table(market(panel.rows(0, 300)), [name]).equals(known)
    assert known[name].is_not_null().all()


def test_only_tickers_that_traded_on_the_last_session_are_there() -> None:
    panel = random_panel(FOUR, 60)
    for field in panel.fields.values():
        field[-1, 1] = np.nan
    assert feature_table(market(panel), ["return_5"])["ticker"].to_list() == [FOUR[0], FOUR[2], FOUR[3]]


def test_sectors_are_compared_with_the_market_and_tickers_with_their_sector() -> None:
    tickers = names(8)
    moves = [1.10, 1.12, 1.14, 1.12, 1.00, 1.02, 0.98, 1.00]
    close = np.vstack([np.full((25, 8), 20.0), 20 * np.array([moves])])
    about = reference(tickers, sector=["Tech"] * 4 + ["Energy"] * 3 + ["Lonely"])
    table = feature_table(
        market(panel_of(close, tickers), reference=about), ["sector_strength_1", "sector_relative_1"]
    )
    overall = np.median(np.array(moves) - 1) * 100
    assert table["sector_strength_1"][0] == pytest.approx(12 - overall)
    assert table["sector_relative_1"].to_list()[:4] == pytest.approx([-2, 0, 2, 0])
    assert table["sector_strength_1"][7] is None  # one member is no sector


def test_earnings_are_counted_in_sessions_from_what_the_run_knows() -> None:
    panel = random_panel(FOUR, 30)  # ends on Tuesday 2023-02-14
    day = last_session(panel)
    about = reference(
        FOUR,
        next_earnings=[day + timedelta(days=1), day + timedelta(days=7), None, day + timedelta(days=2)],
        last_earnings=[day, day - timedelta(days=1), None, None],
    )
    wanted = ["sessions_to_earnings", "sessions_since_earnings"]
    evening = feature_table(market(panel, reference=about), wanted)
    assert evening["sessions_to_earnings"].to_list() == [1, 4, None, 2]  # Monday the 20th was a holiday
    assert evening["sessions_since_earnings"].to_list() == [0, 1, None, None]
    morning = feature_table(
        replace(market(panel, reference=about), session=day + timedelta(days=1), slot="morning"), wanted
    )
    assert morning["sessions_to_earnings"].to_list() == [1, 4, None, 2]


def test_without_a_source_its_features_are_missing_for_all() -> None:
    wanted = ["sector_strength", "market_cap", "performance_5m", "sector_season", "sessions_to_earnings"]
    table = feature_table(market(random_panel(FOUR, 60)), wanted)
    assert all(table[name].null_count() == 4 for name in wanted)


def test_values_do_not_depend_on_the_order_of_the_columns() -> None:
    tickers = names(300)
    panel = random_panel(tickers, 260)
    order = np.random.default_rng(3).permutation(300)
    shuffled = replace(
        panel,
        tickers=tuple(tickers[i] for i in order),
        fields={name: field[:, order] for name, field in panel.fields.items()},
    )
    wanted = list(OF_BARS)
    one = feature_table(market(panel), wanted).sort("ticker")
    assert feature_table(market(shuffled), wanted).sort("ticker").equals(one)
    assert one.select(pl.col(pl.Float64).is_finite().all()).row(0) == (True,) * (one.width - 3)
