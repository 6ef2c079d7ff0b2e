"""Features say what their name says, at the last bar only."""

import numpy as np
import pytest

from falcon_pipelines.screening.features import FEATURES, HISTORY, average_true_range
from tests.screening.panels import day_panel

RISING = list(np.linspace(10, 30, HISTORY))


def test_returns_are_percent_changes_over_their_window() -> None:
    panel = day_panel({"UP": [10.0] * 30 + [11.0]})
    assert FEATURES["return_1"].compute(panel)[0] == pytest.approx(10.0)
    assert FEATURES["return_21"].compute(panel)[0] == pytest.approx(10.0)


def test_too_short_a_history_is_missing_not_zero() -> None:
    panel = day_panel({"NEW": [10.0, 11.0]})
    assert np.isnan(FEATURES["return_5"].compute(panel)[0])
    assert np.isnan(FEATURES["distance_to_high_252"].compute(panel)[0])
    assert np.isnan(FEATURES["rsi_14"].compute(panel)[0])


def test_a_halted_day_does_not_poison_wilder_indicators() -> None:
    halted = RISING.copy()
    halted[100] = np.nan
    panel = day_panel({"HALT": halted, "FINE": RISING})
    rsi = FEATURES["rsi_14"].compute(panel)
    assert np.isfinite(rsi).all()
    assert np.isfinite(average_true_range(panel)).all()


def test_relative_volume_compares_with_the_sessions_before() -> None:
    panel = day_panel({"A": [10.0] * 21})
    panel["volume"][-1] = 3e6
    assert FEATURES["relative_volume"].compute(panel)[0] == pytest.approx(3.0)


@pytest.mark.parametrize("name", FEATURES)
def test_no_feature_sees_a_later_bar(name: str) -> None:
    rng = np.random.default_rng(5)
    prices = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (HISTORY + 40, 3)), axis=0))
    panel = day_panel({t: list(prices[:, j]) for j, t in enumerate("ABC")})
    cut = len(panel) - 20
    known = FEATURES[name].compute(panel.rows(0, cut))
    panel["close"][cut:] *= 7
    panel["volume"][cut:] *= 7
    np.testing.assert_array_equal(FEATURES[name].compute(panel.rows(0, cut)), known)
    assert np.isfinite(known).all()
