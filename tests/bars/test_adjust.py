from datetime import date
from pathlib import Path

import numpy as np
import pytest

from falcon_pipelines.bars.actions import CorporateAction, actions_table
from falcon_pipelines.bars.adjust import ImpossibleDividend
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.panel import Adjust
from falcon_pipelines.bars.store import BarStore
from tests.bars.market import line, write_lines

DAYS = [date(2014, 6, day) for day in (9, 10, 11, 12, 13)]
CLOSES = [100.0, 104.0, 52.0, 50.0, 51.0]


@pytest.fixture
def market(tmp_path: Path, store: BarStore) -> BarStore:
    """A split 2-for-1 on the third day and pays $1 on the fourth; the bar of B is never touched."""
    for day, close in zip(DAYS, CLOSES, strict=True):
        rows = [line("A", day, close, close, close, close, 1000), line("B", day)]
        write_lines(tmp_path / "in", day, rows)
    list(ingest_range(DirectorySource(tmp_path / "in"), store, "day", DAYS[0], DAYS[-1]))
    actions = [
        CorporateAction("A", "split", DAYS[2], ratio=2),
        CorporateAction("A", "dividend", DAYS[3], amount=1.0),
    ]
    store.add_actions(actions_table(actions), "csv", "1")
    return store


def closes(
    store: BarStore, adjust: Adjust, as_of: date, start: date = DAYS[0], end: date = DAYS[-1]
) -> list[float]:
    return store.history("A", start, end, adjust, as_of)["close"].to_list()


def test_splits_divide_prices_and_multiply_volume(market: BarStore) -> None:
    history = market.history("A", DAYS[0], DAYS[-1], "splits", DAYS[-1])
    assert history["close"].to_list() == [50, 52, 52, 50, 51]
    assert history["volume"].to_list() == [2000, 2000, 1000, 1000, 1000]


def test_dividends_scale_earlier_prices_by_what_they_took(market: BarStore) -> None:
    factor = 1 - 1 / 52
    expected = [50 * factor, 52 * factor, 52 * factor, 50, 51]
    np.testing.assert_allclose(closes(market, "all", DAYS[-1]), expected, rtol=1e-12)


def test_only_actions_known_as_of_the_day_count(market: BarStore) -> None:
    assert closes(market, "all", DAYS[1]) == CLOSES
    assert closes(market, "all", DAYS[2]) == [50, 52, 52, 50, 51]


def test_actions_after_the_range_count_as_well(market: BarStore) -> None:
    factor = 1 - 1 / 52
    np.testing.assert_allclose(
        closes(market, "all", DAYS[-1], end=DAYS[1]), [50 * factor, 52 * factor], rtol=1e-12
    )


def test_the_newest_prices_are_the_raw_ones(market: BarStore) -> None:
    assert closes(market, "all", DAYS[-1], start=DAYS[3]) == [50, 51]


def test_other_tickers_are_left_alone(market: BarStore) -> None:
    raw = market.panel(["B"], DAYS[0], DAYS[-1])
    all_ = market.panel(["A", "B"], DAYS[0], DAYS[-1], adjust="all", as_of=DAYS[-1])
    np.testing.assert_array_equal(raw["close"][:, 0], all_["close"][:, 1])


def test_a_split_and_a_dividend_on_one_day_are_in_new_shares(market: BarStore) -> None:
    both = [
        CorporateAction("A", "split", DAYS[2], ratio=2),
        CorporateAction("A", "dividend", DAYS[2], amount=1.0),
    ]
    market.add_actions(actions_table(both), "csv", "2")
    factor = 0.5 * (1 - 1 / 52)
    np.testing.assert_allclose(closes(market, "all", DAYS[-1]), [100 * factor, 104 * factor, 52, 50, 51])


def test_a_dividend_above_the_price_is_refused(market: BarStore) -> None:
    market.add_actions(actions_table([CorporateAction("A", "dividend", DAYS[3], amount=60.0)]), "csv", "2")
    with pytest.raises(ImpossibleDividend, match="2014-06-12"):
        closes(market, "all", DAYS[-1])
    assert closes(market, "splits", DAYS[-1]) == CLOSES


def test_total_return_of_adjusted_prices_is_that_of_a_reinvested_dividend(market: BarStore) -> None:
    adjusted = closes(market, "all", DAYS[-1])
    shares = 2.0 * (1 + 1.0 / (52.0 - 1.0))
    np.testing.assert_allclose(adjusted[-1] / adjusted[0], shares * 51.0 / 100.0)
