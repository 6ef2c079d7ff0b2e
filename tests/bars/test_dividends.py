from datetime import date

import pytest

from falcon_pipelines.bars.actions import CorporateAction
from falcon_pipelines.bars.dividends import ReportedDividend, reconcile

SPLIT = CorporateAction("AAPL", "split", date(2020, 8, 31), ratio=4)
FEBRUARY, MAY, AUGUST, NOVEMBER = date(2020, 2, 7), date(2020, 5, 8), date(2020, 8, 7), date(2020, 11, 6)


def paid(*reported: tuple[date, float], splits: tuple[CorporateAction, ...] = (SPLIT,)) -> list[float | None]:
    found = reconcile([ReportedDividend("AAPL", day, amount) for day, amount in reported], splits)
    return [item.action.amount for item in found]


def test_an_amount_restated_for_a_later_split_is_undone() -> None:
    assert paid((AUGUST, 0.205), (NOVEMBER, 0.205)) == [0.82, 0.205]


def test_an_amount_left_as_paid_is_kept() -> None:
    assert paid((AUGUST, 0.82), (NOVEMBER, 0.205)) == [0.82, 0.205]


def test_a_feed_that_restated_some_and_not_others_is_set_right() -> None:
    reported = [(FEBRUARY, 0.77), (MAY, 0.205), (AUGUST, 0.82), (NOVEMBER, 0.205)]
    assert paid(*reported) == [0.77, 0.82, 0.82, 0.205]


def test_a_dividend_raised_at_the_same_time_is_still_told_apart() -> None:
    assert paid((AUGUST, 0.205), (NOVEMBER, 0.30)) == [0.82, 0.30]
    assert paid((AUGUST, 0.82), (NOVEMBER, 0.15)) == [0.82, 0.15]


def test_restated_for_the_later_of_two_splits_only() -> None:
    earlier = CorporateAction("AAPL", "split", date(2014, 6, 9), ratio=7)
    before = date(2014, 5, 8)
    assert paid((before, 3.29), (AUGUST, 0.82), (NOVEMBER, 0.205), splits=(earlier, SPLIT))[0] == 3.29
    assert paid((before, 3.29 / 4), (AUGUST, 0.82), (NOVEMBER, 0.205), splits=(earlier, SPLIT))[0] == 3.29
    restated = paid((before, 3.29 / 28), (AUGUST, 0.82), (NOVEMBER, 0.205), splits=(earlier, SPLIT))[0]
    assert restated == pytest.approx(3.29, abs=1e-5)


def test_the_feeds_own_adjusted_figure_decides() -> None:
    raw = ReportedDividend("AAPL", AUGUST, 0.82, split_adjusted=0.205)
    restated = ReportedDividend("AAPL", AUGUST, 0.205, split_adjusted=0.205)
    for reported, evidence in ((raw, "as reported"), (restated, "split undone")):
        (found,) = reconcile([reported], [SPLIT])
        assert (found.action.amount, found.evidence) == (0.82, evidence)


def test_without_evidence_it_says_so() -> None:
    (found,) = reconcile([ReportedDividend("AAPL", AUGUST, 0.205)], [SPLIT])
    assert (found.action.amount, found.evidence) == (0.205, "uncertain")


def test_splits_of_other_tickers_and_earlier_ones_do_not_matter() -> None:
    other = CorporateAction("MSFT", "split", date(2021, 1, 4), ratio=2)
    assert paid((NOVEMBER, 0.205), splits=(SPLIT, other)) == [0.205]
