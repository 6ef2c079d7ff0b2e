"""A wrong profile is refused with the file, the line, the reason and the nearest valid name."""

from pathlib import Path

import pytest

from falcon_pipelines.profiles.documents import (
    InvalidProfile,
    UnknownProfile,
    bundled_profiles,
    dump_profile,
    find_profile,
    parse_profile,
)

GOOD = """name: mine
title: Mine
theme: my own idea
universe: {liquid: 500, exclude: [SPY]}
filters:
  - {name: price, at_least: 5, unit: usd}
  - {name: sector, is_in: [Energy, Technology]}
factors:
  - name: return_5
    direction: higher
    weight: 1
sector_focus: [Energy]
watchlist: [AAPL]
schedule: [morning, evening]
top_k: 7
horizon_sessions: 5
benchmark: QQQ
missing_data: {factor: neutral}
llm: {permutations: 5, budget_usd: 0.5, chain: [first]}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("name: price", "name: prise", 6, "unknown filter 'prise'; did you mean 'price'?"),
        ("return_5", "retrun_5", 9, "unknown factor 'retrun_5'; did you mean 'return_5'?"),
        ("return_5", "return_900", 9, "unknown factor 'return_900'"),
        ("unit: usd", "unit: usb", 6, "unknown unit 'usb'; did you mean 'usd'?"),
        ("unit: usd", "unit: percent", 6, "price is measured in usd, not percent"),
        (", unit: usd", "", 6, "price needs a unit: usd"),
        ("at_least: 5, ", "", 6, "price is a number: it needs above, at_least, below or at_most"),
        ("is_in: [Energy, Technology]", "above: 3", 7, "sector is a text"),
        ("direction: higher", "direction: up", 10, "'up' is not allowed"),
        ("    direction: higher\n", "", 9, "factors.0.direction: missing"),
        ("weight: 1", "weight: -1", 11, "greater than 0"),
        ("weight: 1", "weight: .nan", 11, "finite"),
        ("title: Mine", "titel: Mine", 2, "titel: unknown field; did you mean 'title'?"),
        ("permutations: 5", "permutatons: 5", 19, "did you mean 'permutations'?"),
        ("permutations: 5", "permutations: 2", 19, "greater than or equal to 3"),
        ("[morning, evening]", "[mornig]", 14, "did you mean 'morning'?"),
        ("name: mine", "name: [", 3, "not YAML"),
        ("top_k: 7", "top_k: 7\ntop_k: 8", 16, "the key 'top_k' stands twice"),
        ("name: mine", "name: Mine!", 1, "lower-case letters"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InvalidProfile) as caught:
        find_profile(str(path))
    assert f"{path}: line {line}: " in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a list", "words", "a: &x [*x]", "name: !!python/object:os.system x"])
def test_what_is_no_profile_at_all_is_refused(text: str) -> None:
    with pytest.raises(InvalidProfile, match=r"^profile: "):
        parse_profile(text)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownProfile, match="did you mean high_momentum"):
        find_profile("high_momentun")


def test_what_is_written_reads_back_to_the_same() -> None:
    for profile in (parse_profile(GOOD), *bundled_profiles().values()):
        assert parse_profile(dump_profile(profile)) == profile


def test_five_profiles_come_with_falcon_under_their_titles() -> None:
    assert {profile.title for profile in bundled_profiles().values()} == {
        "Momentum Breakouts",
        "Earnings Plays",
        "Seasonal Sector Rotation",
        "Mean Reversion",
        "52-Week High Momentum",
    }


def test_momentum_breakouts_has_the_filters_and_weights_it_is_known_by() -> None:
    profile = bundled_profiles()["momentum_breakouts"]
    assert [rule.words() for rule in profile.filters] == [
        "average_volume > 750 thousand_shares",
        "price < 20 usd",
        "relative_volume > 1.5 ratio",
        "return_1 > 0 percent",
    ]
    assert {factor.name: factor.weight for factor in profile.factors} == {
        "performance_5m": 0.35,
        "relative_volume": 0.30,
        "rsi_14": 0.20,
        "sector_strength": 0.15,
    }


def test_two_profiles_need_nothing_but_day_bars() -> None:
    for name in ("mean_reversion", "high_momentum"):
        profile = bundled_profiles()[name]
        assert {rule.feature.need for rule in (*profile.filters, *profile.factors)} == {"bars"}
