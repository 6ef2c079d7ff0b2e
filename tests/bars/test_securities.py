from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from falcon_pipelines.bars.actions import CorporateAction, actions_table
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_sessions
from falcon_pipelines.bars.securities import BadSecuritiesFile, merged, read_securities_csv, security_on
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.errors import InputError
from tests.bars.market import line, write_lines

HEADER = "security_id,ticker,first,last,name"
DAYS = [date(2014, 6, day) for day in (9, 10, 11, 12, 13)]
RANGE = DAYS[0], DAYS[-1]


def csv(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "securities.csv"
    path.write_text("\n".join([HEADER, *lines, ""]))
    return path


@pytest.fixture
def market(tmp_path: Path, store: BarStore) -> BarStore:
    """FB is one company to the 10th and another from the 12th; WMI becomes WM on the 12th; GONE stops on the 10th."""
    tickers = {
        0: {"FB": 5, "WMI": 20, "GONE": 7, "OTHER": 1},
        1: {"FB": 6, "WMI": 21, "GONE": 8, "OTHER": 1},
        2: {"WMI": 22, "OTHER": 1},
        3: {"FB": 30, "WM": 23, "OTHER": 1},
        4: {"FB": 31, "WM": 24, "OTHER": 1},
    }
    for n, closes in tickers.items():
        rows = [line(name, DAYS[n], close, close, close, close) for name, close in closes.items()]
        write_lines(tmp_path / "in", DAYS[n], rows)
    list(ingest_sessions(DirectorySource(tmp_path / "in"), store, "day", DAYS))
    table = read_securities_csv(
        csv(
            tmp_path,
            "new-fb,FB,2014-06-12,,Facebook",
            "waste,WMI,2000-01-01,2014-06-11,Waste Management",
            "waste,WM,2014-06-12,,Waste Management",
            "gone,GONE,2000-01-01,2014-06-10,",
        )
    )
    store.add_securities(table, "csv", "1")
    return store


def closes(store: BarStore, name: str) -> list[float]:
    return store.history(name, *RANGE)["close"].to_list()


def test_a_reused_ticker_is_its_newest_holder_alone(market: BarStore) -> None:
    assert closes(market, "FB") == [30, 31]


def test_an_earlier_holder_is_asked_for_by_date(market: BarStore) -> None:
    assert closes(market, "FB@2014-06-09") == [5, 6]
    panel = market.panel(["FB@2014-06-09", "FB"], *RANGE)
    np.testing.assert_array_equal(panel["close"][[0, -1]], [[5, np.nan], [np.nan, 31]])


def test_seen_from_before_a_reuse_the_ticker_is_the_earlier_company(market: BarStore) -> None:
    table = "old-fb,FB,2000-01-01,2014-06-10,The Former FB"
    market.add_securities(read_securities_csv(csv(market.root, table)), "csv", "2")
    assert market.history("FB", DAYS[0], DAYS[2])["close"].to_list() == [5, 6]
    assert closes(market, "FB") == [30, 31]


def test_a_renamed_company_is_one_series_under_its_new_name(market: BarStore) -> None:
    assert closes(market, "WM") == [20, 21, 22, 23, 24]
    assert closes(market, "WMI") == [20, 21, 22, 23, 24]


def test_a_delisted_company_stays_readable(market: BarStore) -> None:
    assert closes(market, "GONE") == [7, 8]


def test_the_whole_market_has_one_column_per_security(market: BarStore) -> None:
    panel = market.panel(None, *RANGE)
    assert panel.tickers == ("FB", "FB@2014-06-11", "GONE", "OTHER", "WM")
    close = dict(zip(panel.tickers, panel["close"].T, strict=True))
    np.testing.assert_array_equal(close["WM"], [20, 21, 22, 23, 24])
    np.testing.assert_array_equal(close["FB"][3:], [30, 31])
    np.testing.assert_array_equal(close["OTHER"], [1] * 5)


def test_actions_follow_the_security_not_the_name(market: BarStore) -> None:
    actions = [
        CorporateAction("WMI", "split", DAYS[1], ratio=2),
        CorporateAction("FB", "split", DAYS[1], ratio=5),
        CorporateAction("WM", "dividend", DAYS[3], amount=2.2),
    ]
    market.add_actions(actions_table(actions), "csv", "1")
    adjusted = market.panel(["WM", "FB"], *RANGE, adjust="all", as_of=DAYS[-1])["close"]
    np.testing.assert_allclose(adjusted[:, 0], [20 / 2 * 0.9, 21 * 0.9, 22 * 0.9, 23, 24])
    np.testing.assert_array_equal(adjusted[3:, 1], [30, 31])
    assert market.history("FB@2014-06-09", *RANGE, "all", DAYS[-1])["close"].to_list() == [1, 6]


def test_a_pinned_version_keeps_what_was_known_of_names_then(market: BarStore) -> None:
    version = market.current_version()
    before = closes(market, "FB")
    market.add_securities(read_securities_csv(csv(market.root, "new-fb,FB,2000-01-01,,Facebook")), "csv", "2")
    assert market.history("FB", *RANGE, version=version)["close"].to_list() == before
    assert closes(market, "FB") == [5, 6, 30, 31]


def test_the_derived_tier_makes_no_difference(market: BarStore) -> None:
    before = market.panel(None, *RANGE)
    market.build_history("day")
    np.testing.assert_array_equal(market.panel(None, *RANGE)["close"], before["close"])


def test_ids_are_found_by_ticker_and_day(market: BarStore) -> None:
    table = market.securities()
    assert security_on(table, "WMI", DAYS[0]) == security_on(table, "WM", DAYS[4]) == "waste"
    assert security_on(table, "WM", DAYS[0]) is None


@pytest.mark.parametrize(
    ("line_", "problem"),
    [
        (",A,2014-01-01,,", "no security_id"),
        ("a,,2014-01-01,,", "no ticker"),
        ("a,A,,,", "no first date"),
        ("a,A,2014-13-01,,", "no date"),
        ("a,A,2014-01-02,2014-01-01,", "ends before it begins"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line_: str, problem: str) -> None:
    with pytest.raises(BadSecuritiesFile, match=f"line 3 .*{problem}"):
        read_securities_csv(csv(tmp_path, "ok,OK,2014-01-01,,", line_))


def test_two_securities_cannot_hold_one_ticker_at_once(tmp_path: Path, engine: Engine) -> None:
    one = read_securities_csv(csv(tmp_path, "a,A,2014-01-01,,"))
    two = read_securities_csv(csv(tmp_path, "b,A,2015-01-01,,"))
    with pytest.raises(BadSecuritiesFile, match="ticker A overlaps"):
        merged(one, two)
    with pytest.raises(BadSecuritiesFile, match="security_id a overlaps"):
        merged(one.clear(), read_securities_csv(csv(tmp_path, "a,A,2014-01-01,,", "a,B,2014-02-01,,")))


def test_a_date_needs_a_known_ticker(market: BarStore) -> None:
    with pytest.raises(InputError, match="plain OTHER"):
        closes(market, "OTHER@2014-06-09")
