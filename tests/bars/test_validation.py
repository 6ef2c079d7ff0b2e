import gzip
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon_pipelines.bars import flat_text
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.parquet import table
from falcon_pipelines.bars.refusals import (
    BadFlatFile,
    ConflictingDuplicates,
    NoGoodRows,
    UnreadableFile,
    WrongColumns,
    WrongSession,
)
from falcon_pipelines.bars.validation import (
    BAR_SCHEMA,
    CheckedFile,
    FlatFileCheck,
    OutOfOrder,
)
from tests.bars.market import HEADER, MONDAY, TUESDAY, line, start_ns, write_lines


def check_flat_file(path: Path, frequency: Frequency, session: date, etag: str, label: str) -> CheckedFile:
    """A block at a time where that is possible, else as a whole: as a file is staged."""
    blocks = FlatFileCheck(path, frequency, session, etag, label)
    try:
        return CheckedFile(
            pl.concat(table(part) for part in blocks.good()), blocks.quarantined, blocks.rows_in
        )
    except OutOfOrder:
        return FlatFileCheck(path, frequency, session, etag, label).whole()


def check(tmp_path: Path, lines: list[str], header: str = HEADER, frequency: str = "day") -> CheckedFile:
    path = write_lines(tmp_path, MONDAY, lines, header=header)
    return check_flat_file(path, frequency, MONDAY, "etag-1", path.name)  # type: ignore[arg-type]


def test_a_clean_file_becomes_bars_sorted_by_ticker(tmp_path: Path) -> None:
    checked = check(tmp_path, [line("B"), line("A", open_=9.5)])
    assert checked.good.schema == pl.Schema(BAR_SCHEMA)
    assert checked.good["ticker"].to_list() == ["A", "B"]
    assert checked.good.row(0)[2:] == (9.5, 12.0, 9.0, 11.0, 1000.0, 5)
    assert checked.good["timestamp"][0].isoformat() == "2014-06-09T04:00:00+00:00"
    assert checked.quarantined.is_empty()


@pytest.mark.parametrize(
    "ticker", ["NA", "NULL", "NAN", "TRUE", "FALSE", "INF", "None", "1E5", "BRK.B", "ABRpD"]
)
def test_tickers_that_look_like_values_come_through(tmp_path: Path, ticker: str) -> None:
    for others in ([], [line("BAD", high=1)], ["x,y"]):
        assert check(tmp_path, [line(ticker), *others]).good["ticker"].to_list() == [ticker]


def test_fractional_volume_comes_through(tmp_path: Path) -> None:
    assert check(tmp_path, [line("A", volume="1234.567")]).good["volume"][0] == 1234.567


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (line("B", open_="abc"), "unparsable or missing value"),
        (line("B", open_=""), "unparsable or missing value"),
        (line(""), "unparsable or missing value"),
        ("B,1,2", "unparsable or missing value"),
        (line("B") + ",7", "unparsable or missing value"),
        ("", "unparsable or missing value"),
        (line("B B"), "ticker not printable"),
        (line('"B"'), "ticker not printable"),
        (line("B", low=0), "price not positive"),
        (line("B", low=-1), "price not positive"),
        (line("B", high="inf"), "price not positive"),
        (line("B", close="nan"), "price not positive"),
        (line("B", high=10.5), "high below open, low or close"),
        (line("B", low=10.5), "low above open or close"),
        (line("B", volume=-1), "volume negative"),
        (line("B", volume="nan"), "volume negative"),
        (line("B", session=TUESDAY), "time outside the session's day"),
        (line("B", minutes=1), "time outside the session's day"),
        (line("A"), "repeats an earlier line"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_text_and_rule(tmp_path: Path, bad: str, rule: str) -> None:
    checked = check(tmp_path, [line("A"), bad, line("C")])
    assert checked.good["ticker"].to_list() == ["A", "C"]
    assert checked.quarantined.rows() == [(3, bad, rule, "etag-1")]
    assert checked.rows_in == 3


def test_minutes_must_be_whole_and_of_the_session(tmp_path: Path) -> None:
    half = f"A,1,10,11,12,9,{start_ns(MONDAY, 600) + 30_000_000_000},5"
    lines = [line("A", minutes=570), line("A", minutes=571), half, line("A", minutes=24 * 60)]
    checked = check(tmp_path, lines, frequency="minute")
    assert checked.good.height == 2
    assert checked.quarantined["line"].to_list() == [4, 5]


def test_two_different_bars_for_one_key_spoil_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConflictingDuplicates, match=r"lines 2, 4 .* A "):
        check(tmp_path, [line("A"), line("B"), line("A", close=10)])


def test_a_bad_row_does_not_conflict_with_a_good_one(tmp_path: Path) -> None:
    checked = check(tmp_path, [line("A"), line("A", high=1)])
    assert checked.good.height == checked.quarantined.height == 1


def test_wrong_columns_are_shown(tmp_path: Path) -> None:
    with pytest.raises(WrongColumns, match="ticker,vol,"):
        check(tmp_path, [line("A")], header=HEADER.replace("volume", "vol"))
    with pytest.raises(WrongColumns):
        check(tmp_path, [line("A")], header=HEADER.replace("high,low", "low,high"))


def test_another_sessions_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongSession, match="2014-06-10T00:00:00-04:00"):
        check(tmp_path, [line("A", session=TUESDAY), line("B", session=TUESDAY)])


def test_a_file_without_usable_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoGoodRows):
        check(tmp_path, [])
    with pytest.raises(NoGoodRows):
        check(tmp_path, [line("A", high=1)])


@pytest.mark.parametrize("keep", [0, 5, 30, 200, -4, -1])
def test_a_truncated_gzip_is_refused_wherever_it_was_cut(tmp_path: Path, keep: int) -> None:
    path = write_lines(tmp_path, MONDAY, [line(f"T{n:05}", close=9 + n % 3) for n in range(5000)])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadFlatFile):
        check_flat_file(path, "day", MONDAY, "etag", path.name)


def test_the_lines_before_a_break_are_kept(tmp_path: Path) -> None:
    lines = [line(f"T{n:05}", close=9 + n % 3) for n in range(40_000)]
    path = write_lines(tmp_path, MONDAY, [*lines, line("BAD", high=1)])
    path.write_bytes(path.read_bytes()[:-2000])
    checking = FlatFileCheck(path, "day", MONDAY, "etag", path.name)
    with pytest.raises(UnreadableFile) as refusal:
        list(checking.good())
    kept = pl.concat(list(checking.refused(refusal.value)))
    assert kept.height > 30_000
    assert kept["raw"].to_list() == lines[: kept.height]
    assert kept["line"].to_list() == list(range(2, kept.height + 2))
    assert kept["rule"].unique().to_list() == ["file refused: not readable to its end"]


@pytest.mark.parametrize(
    "content", [b"", gzip.compress(b"", mtime=0)], ids=["nothing", "nothing, compressed"]
)
def test_an_empty_file_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.csv.gz"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match="it is empty"):
        check_flat_file(path, "day", MONDAY, "etag", path.name)


def test_a_file_that_begins_with_a_byte_order_mark_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "bom.csv.gz"
    path.write_bytes(gzip.compress("\ufeff".encode() + "\n".join([HEADER, line("A")]).encode()))
    assert check_flat_file(path, "day", MONDAY, "etag", path.name).good["ticker"].to_list() == ["A"]


def test_a_line_longer_than_any_bar_is_refused_without_filling_memory(tmp_path: Path) -> None:
    path = write_lines(tmp_path, MONDAY, [line("A"), "X" * 20_000_000])
    with pytest.raises(UnreadableFile, match="more than"):
        check_flat_file(path, "day", MONDAY, "etag", path.name)


def test_a_file_that_is_not_gzip_is_unreadable(tmp_path: Path) -> None:
    path = write_lines(tmp_path, MONDAY, [line("A")])
    path.write_bytes(b"<html>maintenance</html>")
    with pytest.raises(UnreadableFile, match="fetch it again"):
        check_flat_file(path, "day", MONDAY, "etag", path.name)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = write_lines(tmp_path, MONDAY, [line(f"T{n:05}") for n in range(5000)])
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableFile):
        check_flat_file(path, "day", MONDAY, "etag", path.name)


def test_windows_line_ends_are_understood(tmp_path: Path) -> None:
    path = write_lines(tmp_path, MONDAY, [])
    path.write_bytes(gzip.compress("\r\n".join([HEADER, line("A"), "x", ""]).encode()))
    checked = check_flat_file(path, "day", MONDAY, "etag", path.name)
    assert checked.good["ticker"].to_list() == ["A"]
    assert checked.quarantined["raw"].to_list() == ["x"]


@pytest.mark.parametrize("block_bytes", [1, 40, 200, 3000])
def test_where_a_block_ends_makes_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    lines = [line(f"T{n:03}", close=9 + n % 3) for n in range(40)]
    lines[7], lines[22] = "x,1", line("T022", high=1)
    expected = check(tmp_path, lines)
    monkeypatch.setattr(flat_text, "_BLOCK_BYTES", block_bytes)
    found = check(tmp_path, lines)
    assert found.good.equals(expected.good)
    assert found.quarantined.equals(expected.quarantined)
    assert found.quarantined["line"].to_list() == [9, 24]
    assert check(tmp_path, lines[::-1]).good.equals(expected.good)
    with pytest.raises(ConflictingDuplicates, match=r"lines 2, 42 .* T000 "):
        check(tmp_path, [*lines, line("T000", close=10)])
    assert check(tmp_path, [*lines, lines[0]]).quarantined["line"].to_list() == [9, 24, 42]


FIELD = st.sampled_from(["10", "9", "12", "", "abc", "nan", "-1", "0", "1e3"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FIELD, FIELD, FIELD, FIELD, FIELD), min_size=1, max_size=30), st.data())
def test_every_row_is_either_good_or_quarantined(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], data: st.DataObject
) -> None:
    lines = [line(f"T{n:03}", MONDAY, *values) for n, values in enumerate(rows)]
    junk = data.draw(st.lists(st.text("ab,1.\t", max_size=12), max_size=5))
    path = write_lines(tmp_path_factory.mktemp("file"), MONDAY, [line("GOOD"), *lines, *junk])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat_text, "_BLOCK_BYTES", data.draw(st.sampled_from([1, 30, 100, 1000, 1 << 20])))
        checked = check_flat_file(path, "day", MONDAY, "etag", path.name)
    assert checked.rows_in == 1 + len(lines) + len(junk)
    assert checked.good.height + checked.quarantined.height == checked.rows_in
    original = gzip.decompress(path.read_bytes()).decode().split("\n")
    assert all(
        original[number - 1] == raw for number, raw in checked.quarantined.select("line", "raw").rows()
    )
