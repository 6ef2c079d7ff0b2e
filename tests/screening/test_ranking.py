"""A profile ranks what passes its filters, and every pick can be acted on."""

from datetime import date

import numpy as np
import pytest

from falcon_pipelines.screening.profile import Factor, Filter, Profile
from falcon_pipelines.screening.ranking import FACTOR_SCORE, NoBarsToScreen, percentile_score, screen
from tests.screening.panels import day_panel

SESSION = date(2024, 3, 1)


def profile(**changes: object) -> Profile:
    fields: dict[str, object] = {
        "name": "test",
        "title": "Test",
        "theme": "test",
        "filters": (Filter(feature="close", at_least=5.0),),
        "factors": (Factor(feature="return_5", direction="higher", weight=1.0),),
        "top_k": 3,
    }
    return Profile.model_validate(fields | changes)


def market(changes: dict[str, float]) -> dict[str, list[float]]:
    return {ticker: [20.0] * 30 + [20.0 * (1 + change)] for ticker, change in changes.items()}


def test_the_strongest_come_first_and_filters_hold() -> None:
    closes = market({"A": 0.01, "B": 0.05, "C": 0.03, "D": -0.02})
    closes["PENNY"] = [1.0] * 30 + [2.0]
    result = screen(profile(), day_panel(closes), SESSION)
    assert [pick.ticker for pick in result.picks] == ["B", "C", "A"]
    assert result.universe == 4


def test_direction_lower_turns_the_ranking_round() -> None:
    lower = profile(factors=(Factor(feature="return_5", direction="lower", weight=1.0),))
    result = screen(lower, day_panel(market({"A": 0.01, "B": 0.05, "C": -0.03})), SESSION)
    assert [pick.ticker for pick in result.picks] == ["C", "A", "B"]


def test_every_pick_has_levels_in_order_and_says_who_judged() -> None:
    result = screen(profile(), day_panel(market({"A": 0.01, "B": 0.05})), SESSION)
    for pick in result.picks:
        assert pick.stop < pick.entry_low < pick.close < pick.entry_high < pick.target
        assert pick.judged_by == FACTOR_SCORE
        assert pick.confidence is None


def test_ties_do_not_favour_the_alphabet() -> None:
    closes = market(dict.fromkeys([f"{c}{i}" for c in "ABCDEFGH" for i in range(10)], 0.02))
    firsts = []
    for day in range(1, 29):
        result = screen(profile(top_k=10), day_panel(closes), date(2024, 2, day))
        firsts += [pick.ticker[0] for pick in result.picks]
    assert firsts.count("A") < 0.3 * len(firsts)
    assert len(set(firsts)) == 8


def test_a_ticker_without_a_bar_on_the_session_is_never_picked() -> None:
    closes = market({"A": 0.01, "GONE": 0.5})
    closes["GONE"][-1] = np.nan
    result = screen(profile(), day_panel(closes), SESSION)
    assert [pick.ticker for pick in result.picks] == ["A"]


def test_an_empty_session_is_refused() -> None:
    with pytest.raises(NoBarsToScreen, match="2024-03-01"):
        screen(profile(), day_panel({"A": [np.nan] * 30}), SESSION)


def test_percentiles_are_shared_by_equals_and_run_from_zero_to_one() -> None:
    np.testing.assert_allclose(
        percentile_score(np.array([1.0, 2.0, 2.0, 3.0]), higher_is_better=True), [0, 0.5, 0.5, 1]
    )
    np.testing.assert_allclose(percentile_score(np.array([1.0, 3.0]), higher_is_better=False), [1, 0])
