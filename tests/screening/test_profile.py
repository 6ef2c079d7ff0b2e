"""A wrong profile is refused with the place, the reason and what is allowed."""

from pathlib import Path

import pytest

from falcon_pipelines.screening.profile import InvalidProfile, UnknownProfile, bundled_profiles, find_profile

GOOD = """
name: mine
title: Mine
theme: mine
filters: [{feature: close, at_least: 5, unit: usd}]
factors: [{feature: return_5, direction: higher, weight: 1}]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("return_5", "retrun_5", "did you mean 'return_5'"),
        ("unit: usd", "unit: percent", "close is measured in usd, not percent"),
        (", at_least: 5", "", "needs at_least, at_most or both"),
        ("direction: higher", "direction: up", "factors.0.direction"),
        ("title: Mine", "titel: Mine", "title"),
        ("name: mine", "name: [", "not YAML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InvalidProfile) as caught:
        find_profile(str(path))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownProfile, match="did you mean high_momentum"):
        find_profile("high_momentun")


def test_bundled_profiles_load_under_their_own_names() -> None:
    assert set(bundled_profiles()) >= {"high_momentum", "mean_reversion"}
