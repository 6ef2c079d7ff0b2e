"""A profile ranks what passes its filters; every pick can be acted on; what is missing is said."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.profiles.schema import Profile
from falcon_pipelines.screening.features import features_of
from falcon_pipelines.screening.market import Market, NoBarsToScreen
from falcon_pipelines.screening.scoring import percentile_score
from falcon_pipelines.screening.screens import FACTOR_SCORE, Screen, screen
from tests.screening.markets import market, names, panel_of, profile, random_panel, reference


def screened(chosen: Profile, seen: Market, seed: int = 1) -> Screen:
    return screen(chosen, features_of(seen, chosen.features, [chosen.levels.atr_period]), seed)


def moved(changes: dict[str, float], count: int = 30) -> Panel:
    """Tickers that stood at 20 dollars until the last session moved them."""
    close = np.vstack([np.full((count, len(changes)), 20.0), [[20 * (1 + c) for c in changes.values()]]])
    return panel_of(close, tuple(changes))


def picked(chosen: Profile, panel: Panel, **about: object) -> list[str]:
    return [pick.ticker for pick in screened(chosen, market(panel, **about)).picks]


def test_the_strongest_come_first_and_filters_hold() -> None:
    panel = moved({"A": 0.01, "B": 0.05, "C": 0.03, "D": -0.02, "PENNY": 0.09})
    panel["close"][:, 4] /= 20
    result = screened(profile(), market(panel))
    assert [pick.ticker for pick in result.picks] == ["B", "C", "A"]
    assert (result.universe, result.considered) == (4, 5)


@pytest.mark.parametrize(
    ("rule", "tickers"),
    [
        ({"name": "price", "above": 20.2, "unit": "usd"}, {"B", "C"}),
        ({"name": "price", "at_least": 20.2, "unit": "usd"}, {"A", "B", "C"}),
        ({"name": "price", "below": 20.2, "unit": "usd"}, {"D"}),
        ({"name": "average_volume", "above": 750, "unit": "thousand_shares"}, {"A", "B", "C", "D"}),
        ({"name": "average_volume", "above": 1, "unit": "million_shares"}, set()),
        ({"name": "return_1", "above": 0.02, "unit": "fraction"}, {"B", "C"}),
        ({"name": "sector", "is_in": ["energy"]}, {"A", "B"}),
        ({"name": "sector", "not_in": ["Energy"]}, {"C"}),
    ],
)
def test_filters_mean_what_they_say(rule: dict[str, object], tickers: set[str]) -> None:
    panel = moved({"A": 0.01, "B": 0.05, "C": 0.03, "D": -0.02})
    about = reference(panel.tickers, sector=["Energy", "Energy", "Tech", None])
    assert set(picked(profile(filters=[rule], top_k=10), panel, reference=about)) == tickers


def test_direction_decides_whether_a_fall_is_good() -> None:
    panel = moved({"RALLY": 0.05, "CALM": 0.001, "CRASH": -0.09})
    factor = {"name": "return_5", "weight": 1.0}
    assert picked(profile(factors=[{**factor, "direction": "higher"}]), panel) == ["RALLY", "CALM", "CRASH"]
    assert picked(profile(factors=[{**factor, "direction": "lower"}]), panel) == ["CRASH", "CALM", "RALLY"]
    moves = [{**factor, "direction": "higher", "transform": "absolute"}]
    assert picked(profile(factors=moves), panel) == ["CRASH", "RALLY", "CALM"]


def test_a_sector_neutral_factor_compares_within_the_sector() -> None:
    panel = moved({"A1": 0.10, "A2": 0.10, "A3": 0.12, "B1": 0.01, "B2": 0.01, "B3": 0.05})
    about = reference(panel.tickers, sector=["A"] * 3 + ["B"] * 3)
    factors = [{"name": "return_5", "direction": "higher", "weight": 1, "transform": "sector_neutral"}]
    assert picked(profile(factors=factors, top_k=2), panel, reference=about) == ["B3", "A3"]


def test_points_sum_to_the_score_and_every_pick_carries_what_made_it() -> None:
    panel = random_panel(names(200))
    factors = [
        {"name": "return_21", "direction": "higher", "weight": 3},
        {"name": "rsi_14", "direction": "lower", "weight": 1},
    ]
    for pick in screened(profile(factors=factors, top_k=20), market(panel)).picks:
        parts = pick.contributions.values()
        assert sum(part.points for part in parts) == pytest.approx(pick.score, abs=1e-5)
        assert [part.weight for part in parts] == [0.75, 0.25]
        assert set(pick.factors) == {"return_21", "rsi_14"}
        assert pick.version == "test-1"
        assert (pick.judged_by, pick.confidence) == (FACTOR_SCORE, None)


@pytest.mark.parametrize("price", [0.004, 0.02, 0.8, 12.0, 4_000.0, 600_000.0])
@pytest.mark.parametrize("move", [0.002, 0.05, 0.9])
def test_levels_lie_in_order_at_every_price_and_range(price: float, move: float) -> None:
    rng = np.random.default_rng(2)
    close = price * np.exp(rng.uniform(-move, move, (40, 6)))
    panel = panel_of(close, names(6), high=close * (1 + move), low=close * (1 - move / 2))
    made = screened(
        profile(filters=[], levels={"stop_atr": 3, "entry_atr": 0.5, "target_atr": 6}), market(panel)
    )
    for pick in made.picks:
        assert 0 < pick.stop < pick.entry_low < pick.close < pick.entry_high < pick.target
    assert made.picks or price * move < 1e-4  # six decimals cannot hold them apart


def test_a_missing_factor_drops_a_ticker_or_leaves_it_in_the_middle() -> None:
    panel = moved({"UP": 0.05, "DOWN": -0.05, "NONE": 0.0})
    about = reference(panel.tickers, pe=[30.0, 10.0, None])
    factors = [{"name": "pe", "direction": "lower", "weight": 1}]
    assert picked(profile(factors=factors), panel, reference=about) == ["DOWN", "UP"]
    neutral = profile(factors=factors, missing_data={"factor": "neutral"})
    assert picked(neutral, panel, reference=about) == ["DOWN", "NONE", "UP"]


def test_a_factor_that_too_few_have_skips_the_profile() -> None:
    panel = moved({f"T{i}": 0.01 * i for i in range(10)})
    about = reference(panel.tickers, pe=[5.0, 6.0, *[None] * 8])
    made = screened(
        profile(factors=[{"name": "pe", "direction": "lower", "weight": 1}]), market(panel, reference=about)
    )
    assert made.picks == ()
    assert made.reason is not None
    assert "only 2 of the 10" in made.reason


def test_missing_inputs_are_named_with_what_to_do() -> None:
    from falcon_pipelines.profiles.documents import bundled_profiles

    seen = market(random_panel(names(20), 30), missing={"sectors": "set FALCON_REFERENCE_SOURCE"})
    for name, words in {
        "momentum_breakouts": ("performance_5m", "sector_strength", "FALCON_REFERENCE_SOURCE"),
        "earnings_plays": ("sessions_to_earnings", "63 sessions of day bars, there are 30"),
        "seasonal_sector_rotation": ("sector_season", "FALCON_REFERENCE_SOURCE"),
        "mean_reversion": ("distance_to_sma_200 needs 200 sessions of day bars, there are 30",),
        "high_momentum": ("distance_to_high_252 needs 252 sessions",),
    }.items():
        made = screened(bundled_profiles()[name], seen)
        assert made.picks == ()
        assert made.reason is not None
        for word in words:
            assert word in made.reason


def test_bars_that_are_too_old_skip_the_profile_and_slightly_old_ones_are_noted() -> None:
    panel = moved({"A": 0.01, "B": 0.02})
    day = date(2023, 2, 15)  # the panel ends on the 15th
    assert screened(profile(), Market(day, panel)).notes == ()
    assert "older" in screened(profile(), Market(date(2023, 2, 16), panel)).notes[0]
    late = screened(profile(), Market(date(2023, 2, 17), panel))
    assert late.reason is not None
    assert "2 sessions older" in late.reason
    assert screened(profile(), Market(date(2023, 2, 16), panel, slot="morning")).notes == ()


def test_universe_sector_focus_and_watchlist() -> None:
    panel = moved({"A": 0.01, "B": 0.05, "C": 0.03, "D": 0.04})
    panel["volume"][:, 3] = 10.0
    assert picked(profile(universe={"tickers": ["A", "C"]}), panel) == ["C", "A"]
    assert picked(profile(universe={"exclude": ["B"], "liquid": 3}), panel) == ["C", "A"]
    about = reference(panel.tickers, sector=["X", "Y", "X", "Y"])
    assert picked(profile(sector_focus=["x"]), panel, reference=about) == ["C", "A"]
    rules = [{"name": "return_1", "above": 2, "unit": "percent"}]
    made = screened(profile(filters=rules, watchlist=["A", "B", "ZZZ"]), market(panel))
    fared = {watched.ticker: (watched.rank, watched.failed) for watched in made.watched}
    assert fared == {
        "A": (None, ("return_1 > 2 percent",)),
        "B": (1, ()),
        "ZZZ": (None, ("no bar on the newest session",)),
    }


def test_an_empty_session_is_refused() -> None:
    with pytest.raises(NoBarsToScreen, match="2024-03-01"):
        Market(date(2024, 3, 1), panel_of(np.full((30, 1), np.nan), ("A",)))


def test_percentiles_are_winsorised_shared_by_equals_and_run_from_zero_to_one() -> None:
    np.testing.assert_allclose(
        percentile_score(np.array([1.0, 2.0, 2.0, 3.0]), higher_is_better=True), [0, 0.5, 0.5, 1]
    )
    np.testing.assert_allclose(percentile_score(np.array([1.0, 3.0]), higher_is_better=False), [1, 0])
    spread = percentile_score(np.arange(1000.0), higher_is_better=True, tail=0.05)
    assert len(set(spread[-50:])) == 1
    np.testing.assert_allclose(
        percentile_score(np.array([1.0, np.nan, 2.0]), higher_is_better=True), [0, 0.5, 1]
    )


def test_the_morning_sees_nothing_of_its_session() -> None:
    panel = moved({"A": 0.01, "B": 0.05})
    with_today = replace(panel, fields={k: v.copy() for k, v in panel.fields.items()})
    cut = panel.rows(0, len(panel) - 1)
    made = screened(profile(filters=[]), Market(date(2023, 2, 15), cut, slot="morning"))
    with_today["close"][-1] *= 3
    assert made.bars_session == date(2023, 2, 14)
