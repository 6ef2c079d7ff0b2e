"""What must hold of features and of a stored run, whoever made them. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from falcon_pipelines.db.models import ScreenPick

SMALLEST_SHARE_OF_USUAL = 0.9
MOST_DEVIATIONS = 4.0
FEWEST_PICKS = 30


@dataclass(frozen=True)
class Quality:
    """Whether something holds, and what was seen."""

    passed: bool
    description: str
    seen: dict[str, Any] = field(default_factory=dict)


def universe_size(considered: int, before: Sequence[int]) -> Quality:
    """Whether the universe is not a tenth smaller than the median of the runs before."""
    if considered == 0:
        return Quality(False, "no ticker has a bar", {"considered": 0})
    if not before:
        return Quality(True, "the first run: nothing to compare with", {"considered": considered})
    usual = sorted(before)[len(before) // 2]
    fine = considered >= SMALLEST_SHARE_OF_USUAL * usual
    return Quality(fine, f"{considered} tickers, usually {usual}", {"considered": considered, "usual": usual})


def unique_candidates(picks: Sequence[ScreenPick]) -> Quality:
    """Whether each ticker is picked once and ranks are 1, 2, 3, ..."""
    twice = [ticker for ticker, count in Counter(pick.ticker for pick in picks).items() if count > 1]
    ranks = sorted(pick.rank for pick in picks)
    fine = not twice and ranks == list(range(1, len(picks) + 1))
    return Quality(fine, f"{len(picks)} picks, {len(twice)} of them twice", {"twice": twice[:20]})


def levels_in_order(picks: Sequence[ScreenPick]) -> Quality:
    """Whether stop, entry range, close and target of each pick lie as they must."""
    wrong = [
        pick.ticker
        for pick in picks
        if not 0 < pick.stop < pick.entry_low < pick.close < pick.entry_high < pick.target
    ]
    return Quality(
        not wrong, f"{len(wrong)} of {len(picks)} picks have levels out of order", {"wrong": wrong[:20]}
    )


def alphabet_bias(runs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Quality:
    """Whether picks begin with each letter as often as the pools they were taken from.

    `runs` are (picked tickers, pool). A ticker counts once however many runs picked it: picks of neighbouring
    sessions are largely the same. A letter is suspicious beyond four deviations of a draw without replacement.
    """
    picked: set[str] = set()
    pool: set[str] = set()
    for chosen, members in runs:
        picked.update(chosen)
        pool.update(members)
    pool |= picked
    count, size = len(picked), len(pool)
    if count < FEWEST_PICKS or size - count < FEWEST_PICKS:
        return Quality(True, f"too few to tell: {count} different picks of {size}", {"picks": count})
    worst, letter = 0.0, ""
    expected = Counter(ticker[:1] for ticker in pool)
    seen = Counter(ticker[:1] for ticker in picked)
    for first, count_in_pool in expected.items():
        share = count_in_pool / size
        deviation = (count * share * (1 - share) * (size - count) / (size - 1)) ** 0.5
        # Half a pick of grace: counts are whole numbers.
        off = max(abs(seen[first] - count * share) - 0.5, 0.0) / deviation if deviation else 0.0
        if off > worst:
            worst, letter = off, first
    return Quality(
        worst <= MOST_DEVIATIONS,
        f"the letter furthest off is {letter or 'none'}, by {worst:.1f} deviations",
        {"picks": count, "pool": size, "letter": letter, "deviations": round(worst, 2)},
    )
