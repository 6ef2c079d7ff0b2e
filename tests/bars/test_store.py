from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from falcon_pipelines.bars.actions import CorporateAction, actions_table
from falcon_pipelines.bars.adjust import AsOfRequired
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range, ingest_session
from falcon_pipelines.bars.manifest import UnknownVersion
from falcon_pipelines.bars.reading import StoreDamaged
from falcon_pipelines.bars.store import BarStore, NoBars, ReadOnlyStore, UnknownTicker
from falcon_pipelines.errors import InputError
from tests.bars.market import MONDAY, TUESDAY, line, write_lines

WEDNESDAY = date(2014, 6, 11)


@pytest.fixture
def filled(tmp_path: Path, store: BarStore) -> BarStore:
    """Three sessions; B is halted on the second."""
    source = tmp_path / "in"
    write_lines(source, MONDAY, [line("A", close=10), line("B", close=11), line("NA")])
    write_lines(source, TUESDAY, [line("A", TUESDAY, close=10.5)])
    write_lines(source, WEDNESDAY, [line("A", WEDNESDAY, close=9.5), line("B", WEDNESDAY, close=12)])
    list(ingest_range(DirectorySource(source), store, "day", MONDAY, WEDNESDAY))
    return store


def test_a_panel_is_aligned_with_nan_where_a_ticker_has_no_bar(filled: BarStore) -> None:
    panel = filled.panel(["B", "A"], MONDAY, WEDNESDAY)
    assert panel.tickers == ("B", "A")
    np.testing.assert_array_equal(panel["close"], [[11, 10], [np.nan, 10.5], [12, 9.5]])
    assert str(panel.timestamps[0]) == "2014-06-09T04:00:00.000000000"
    assert panel.version == filled.current_version()
    assert panel.as_of is None
    assert not panel.synthetic


def test_times_without_a_bar_of_any_asked_ticker_are_left_out(filled: BarStore) -> None:
    assert len(filled.panel(["B"], MONDAY, WEDNESDAY)) == 2
    assert len(filled.panel(["NA"], TUESDAY, WEDNESDAY)) == 0


def test_without_tickers_a_panel_has_all_of_the_range(filled: BarStore) -> None:
    assert filled.panel(None, MONDAY, MONDAY, ("close",)).tickers == ("A", "B", "NA")


def test_reading_is_the_same_with_and_without_the_derived_tier(filled: BarStore) -> None:
    before = filled.panel(None, MONDAY, WEDNESDAY)
    assert len(filled.build_history("day")) == 1
    after = filled.panel(None, MONDAY, WEDNESDAY)
    assert before.tickers == after.tickers
    for name in before.fields:
        np.testing.assert_array_equal(before[name], after[name])
    assert filled.build_history("day") == ()


def test_a_pinned_version_returns_the_same_bytes_after_a_republish(filled: BarStore, tmp_path: Path) -> None:
    actions = actions_table([CorporateAction("A", "split", WEDNESDAY, ratio=2)])
    filled.add_actions(actions, "csv", "1")
    filled.build_history("day")
    version = filled.current_version()
    before = filled.panel(["A"], MONDAY, WEDNESDAY, adjust="all", as_of=WEDNESDAY, version=version)
    write_lines(tmp_path / "in", TUESDAY, [line("A", TUESDAY, close=11.5)])
    ingest_session(DirectorySource(tmp_path / "in"), filled, "day", TUESDAY)
    filled.add_actions(actions_table([CorporateAction("A", "split", WEDNESDAY, ratio=3)]), "csv", "2")
    filled.build_history("day")
    again = filled.panel(["A"], MONDAY, WEDNESDAY, adjust="all", as_of=WEDNESDAY, version=version)
    now = filled.panel(["A"], MONDAY, WEDNESDAY, adjust="all", as_of=WEDNESDAY)
    assert again["close"].tobytes() == before["close"].tobytes()
    np.testing.assert_allclose(before["close"][:, 0], [5, 5.25, 9.5])
    np.testing.assert_allclose(now["close"][:, 0], [10 / 3, 11.5 / 3, 9.5])


def test_an_unknown_ticker_names_the_nearest_known(filled: BarStore) -> None:
    with pytest.raises(UnknownTicker, match=r"nearest: .*NA"):
        filled.panel(["NAA"], MONDAY, WEDNESDAY)


def test_an_unknown_version_field_or_range_is_bad_input(filled: BarStore) -> None:
    with pytest.raises(UnknownVersion):
        filled.panel(["A"], MONDAY, TUESDAY, version="v9-000000000000")
    with pytest.raises(InputError, match="'vwap'"):
        filled.panel(["A"], MONDAY, TUESDAY, fields=("vwap",))
    with pytest.raises(NoBars, match="falcon ingest minute"):
        filled.panel(["A"], MONDAY, TUESDAY, frequency="minute")
    with pytest.raises(NoBars, match="2014-06-12"):
        filled.cross_section(date(2014, 6, 12))


def test_adjusted_prices_need_an_as_of_date(filled: BarStore) -> None:
    with pytest.raises(AsOfRequired):
        filled.panel(["A"], MONDAY, TUESDAY, adjust="splits")


def test_bars_can_be_read_but_not_added_without_a_database(filled: BarStore) -> None:
    reader = BarStore(filled.root)
    assert reader.history("A", MONDAY, WEDNESDAY)["close"].to_list() == [10, 10.5, 9.5]
    with pytest.raises(ReadOnlyStore):
        reader.add_actions(actions_table([]), "csv", "1")


def test_a_lost_session_file_is_named(filled: BarStore) -> None:
    next((filled.root / "bars" / "day").rglob("2014-06-10*.parquet")).unlink()
    with pytest.raises(StoreDamaged, match="2014-06-10"):
        filled.panel(["A"], MONDAY, WEDNESDAY)


def test_actions_replace_those_of_the_tickers_they_name(filled: BarStore) -> None:
    first = [CorporateAction("A", "split", TUESDAY, ratio=2), CorporateAction("B", "split", TUESDAY, ratio=3)]
    filled.add_actions(actions_table(first), "csv", "1")
    filled.add_actions(actions_table([CorporateAction("A", "dividend", TUESDAY, amount=0.5)]), "csv", "2")
    assert [(a.ticker, a.kind) for a in filled.corporate_actions(["A", "B"], MONDAY, WEDNESDAY)] == [
        ("A", "dividend"),
        ("B", "split"),
    ]
    assert filled.add_actions(actions_table(first[1:]), "csv", "3") is None


def test_actions_fetched_since_a_day_leave_earlier_ones(filled: BarStore) -> None:
    old = CorporateAction("A", "split", MONDAY, ratio=2)
    wrong, right = (CorporateAction("A", "split", WEDNESDAY, ratio=ratio) for ratio in (5, 3))
    filled.add_actions(actions_table([old, wrong]), "csv", "1")
    filled.add_actions(actions_table([right]), "massive", "2", since=TUESDAY)
    assert filled.corporate_actions(["A"], MONDAY, WEDNESDAY) == (old, right)


def test_a_second_store_object_sees_what_the_first_added(
    filled: BarStore, engine: Engine, tmp_path: Path
) -> None:
    reader = BarStore(filled.root)
    version = reader.current_version()
    write_lines(tmp_path / "in", date(2014, 6, 12), [line("C", date(2014, 6, 12))])
    ingest_session(DirectorySource(tmp_path / "in"), filled, "day", date(2014, 6, 12))
    assert reader.current_version() != version
    assert "C" in reader.tickers()
    assert "C" not in reader.tickers(version)
