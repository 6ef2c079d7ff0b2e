"""Ties favour no letter, and names and input order decide nothing."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.profiles.documents import bundled_profiles
from falcon_pipelines.profiles.schema import Profile
from falcon_pipelines.screening.features import features_of
from falcon_pipelines.screening.screens import Screen, screen
from tests.screening.markets import market, names, panel_of, profile, random_panel

TIED = tuple(
    f"{letter}{n:03d}" for letter, count in (("A", 60), ("B", 60), ("M", 60), ("Z", 60)) for n in range(count)
)


def tied_panel(*, twins: bool) -> Panel:
    """240 rows with one five-session return; `twins` are equal in every number, others in nothing else."""
    rng = np.random.default_rng(4)
    close = np.full((30, len(TIED)), 20.0)
    volume = (
        np.full(close.shape, 1e6) if twins else rng.integers(10_000, 9_000_000, close.shape).astype(float)
    )
    return panel_of(close, TIED, volume=volume)


def screened(panel: Panel, seed: int, chosen: Profile) -> Screen:
    return screen(chosen, features_of(market(panel), chosen.features), seed)


@pytest.mark.parametrize("twins", [True, False])
def test_over_seeds_every_letter_has_its_share_of_tied_rows(twins: bool) -> None:
    chosen = profile(top_k=10)
    features = features_of(market(tied_panel(twins=twins)), chosen.features)
    picked = [pick.ticker for seed in range(200) for pick in screen(chosen, features, seed).picks]
    shares = Counter(ticker[0] for ticker in picked)
    # 2,000 picks without replacement of tens: four deviations of a share of a quarter.
    for letter in "ABMZ":
        assert abs(shares[letter] / len(picked) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(picked))
    firsts = Counter(screen(chosen, features, seed).picks[0].ticker for seed in range(200))
    assert max(firsts.values()) <= 8


def test_the_same_seed_gives_the_same_and_another_seed_another_order() -> None:
    chosen, panel = profile(top_k=10), tied_panel(twins=False)
    first, again, other = (screened(panel, seed, chosen).picks for seed in (1, 1, 2))
    assert first == again
    assert [p.ticker for p in first] != [p.ticker for p in other]


def renamed(panel: Panel, mapping: dict[str, str]) -> Panel:
    """The same bars under other names, in the order that the names then have."""
    called = [mapping[ticker] for ticker in panel.tickers]
    order = np.argsort(called)
    return replace(
        panel,
        tickers=tuple(called[i] for i in order),
        fields={name: field[:, order] for name, field in panel.fields.items()},
    )


def reversed_columns(panel: Panel) -> Panel:
    return replace(
        panel,
        tickers=panel.tickers[::-1],
        fields={name: field[:, ::-1] for name, field in panel.fields.items()},
    )


@pytest.mark.parametrize("seed", [1, 7, 2024])
def test_reversing_and_renaming_leave_tied_picks_the_same(seed: int) -> None:
    chosen, panel = profile(top_k=25), tied_panel(twins=False)
    shuffled = np.random.default_rng(seed).permutation(len(TIED))
    mapping = {ticker: f"{'QAZX'[i % 4]}{i}" for ticker, i in zip(TIED, shuffled, strict=True)}
    before = [pick.ticker for pick in screened(panel, seed, chosen).picks]
    assert [pick.ticker for pick in screened(reversed_columns(panel), seed, chosen).picks] == before
    after = [pick.ticker for pick in screened(renamed(panel, mapping), seed, chosen).picks]
    assert after == [mapping[ticker] for ticker in before]


def test_twins_are_exchanged_for_each_other_at_most() -> None:
    chosen, panel = profile(top_k=25), tied_panel(twins=True)
    mapping = {ticker: ticker[::-1] for ticker in TIED}
    before = screened(panel, 3, chosen).picks
    assert screened(reversed_columns(panel), 3, chosen).picks == before
    after = screened(renamed(panel, mapping), 3, chosen).picks
    assert [replace(p, ticker="") for p in after] == [replace(p, ticker="") for p in before]


@pytest.mark.parametrize("name", ["mean_reversion", "high_momentum"])
def test_a_whole_profile_does_not_care_about_names_or_order(name: str) -> None:
    chosen, tickers = bundled_profiles()[name], names(400)
    panel = random_panel(tickers)
    mapping = {ticker: f"X{ticker[::-1]}" for ticker in tickers}
    before = screened(panel, 1, chosen)
    assert len(before.picks) == 10
    assert screened(reversed_columns(panel), 1, chosen).picks == before.picks
    after = screened(renamed(panel, mapping), 1, chosen)
    assert after.picks == tuple(replace(pick, ticker=mapping[pick.ticker]) for pick in before.picks)
