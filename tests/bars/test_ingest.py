import gzip
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from falcon_pipelines.bars.files import StoreNotWritable
from falcon_pipelines.bars.flat_files import DirectorySource, NoSuchFolder, SessionMissing
from falcon_pipelines.bars.ingest import (
    NotASession,
    SessionFailed,
    ingest_each,
    ingest_range,
    ingest_session,
    ingest_sessions,
)
from falcon_pipelines.bars.manifest import MixedBases
from falcon_pipelines.bars.refusals import UnreadableFile, WrongColumns
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from falcon_pipelines.db.engine import DatabaseUnavailable
from tests.bars.market import MONDAY, TUESDAY, line, write_lines

JULY_3, JULY_7 = date(2014, 7, 3), date(2014, 7, 7)


def files_of(store: BarStore) -> set[str]:
    return {
        path.relative_to(store.root).as_posix()
        for path in store.root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_a_session_can_be_read_as_soon_as_its_result_is_there(tmp_path: Path, store: BarStore) -> None:
    write_lines(tmp_path / "in", MONDAY, [line("A"), line("B", high=1)])
    result = ingest_session(DirectorySource(tmp_path / "in"), store, "day", MONDAY)
    assert (result.status, result.revision, result.rows, result.quarantined) == ("new_revision", 1, 1, 1)
    assert result.version == store.current_version()
    assert store.cross_section(MONDAY)["ticker"].to_list() == ["A"]
    bad = store.quarantined(MONDAY)
    assert bad.rows() == [(3, line("B", high=1), "high below open, low or close", result.etag)]


def test_an_unchanged_session_makes_nothing_new(tmp_path: Path, store: BarStore) -> None:
    write_lines(tmp_path / "in", MONDAY, [line("A")])
    source = DirectorySource(tmp_path / "in")
    first = ingest_session(source, store, "day", MONDAY)
    before = files_of(store)
    again = ingest_session(source, store, "day", MONDAY)
    assert again.status == "unchanged"
    assert (again.rows, again.version) == (first.rows, first.version)
    assert files_of(store) == before


def test_a_republished_session_is_a_new_revision_and_the_old_one_stays(
    tmp_path: Path, store: BarStore
) -> None:
    source = DirectorySource(tmp_path)
    write_lines(tmp_path, MONDAY, [line("A", close=11)])
    old = ingest_session(source, store, "day", MONDAY)
    write_lines(tmp_path, MONDAY, [line("A", close=10.5)])
    new = ingest_session(source, store, "day", MONDAY)
    assert (new.status, new.revision) == ("new_revision", 2)
    assert store.cross_section(MONDAY)["close"].to_list() == [10.5]
    assert store.cross_section(MONDAY, old.version)["close"].to_list() == [11]


def test_a_file_put_back_to_an_earlier_state_is_a_third_revision(tmp_path: Path, store: BarStore) -> None:
    source = DirectorySource(tmp_path)
    for close in (11, 10.5, 11):
        write_lines(tmp_path, MONDAY, [line("A", close=close)])
        result = ingest_session(source, store, "day", MONDAY)
    assert result.revision == 3
    assert store.cross_section(MONDAY)["close"].to_list() == [11]


def test_holidays_are_not_asked_for(tmp_path: Path, store: BarStore) -> None:
    for session in (JULY_3, JULY_7):
        write_lines(tmp_path, session, [line("A", session)])
    done = list(ingest_range(DirectorySource(tmp_path), store, "day", JULY_3, JULY_7))
    assert [result.session for result in done] == [JULY_3, JULY_7]
    with pytest.raises(NotASession, match="2014-07-04"):
        ingest_session(DirectorySource(tmp_path), store, "day", date(2014, 7, 4))


def test_a_missing_file_on_a_session_fails_and_keeps_what_came_before(
    tmp_path: Path, store: BarStore
) -> None:
    write_lines(tmp_path, MONDAY, [line("A")])
    write_lines(tmp_path, date(2014, 6, 11), [line("A", date(2014, 6, 11))])
    results = ingest_range(DirectorySource(tmp_path), store, "day", MONDAY, date(2014, 6, 11))
    assert next(results).session == MONDAY
    with pytest.raises(SessionMissing, match=r"2014-06-10\.csv\.gz"):
        next(results)
    assert MONDAY in store.sessions()


def test_other_sessions_are_ingested_where_one_is_missing_and_one_is_bad(
    tmp_path: Path, store: BarStore
) -> None:
    days = [date(2014, 6, day) for day in (9, 10, 11, 12)]
    write_lines(tmp_path, days[0], [line("A", days[0])])
    write_lines(tmp_path, days[1], ["junk"], header="wrong")
    write_lines(tmp_path, days[3], [line("A", days[3])])
    outcomes = list(ingest_each(DirectorySource(tmp_path), store, "day", days))
    assert [outcome.session for outcome in outcomes] == days
    errors = [type(outcome.error) for outcome in outcomes if isinstance(outcome, SessionFailed)]
    assert errors == [WrongColumns, SessionMissing]
    assert store.sessions() == (days[0], days[3])


def test_a_truncated_file_leaves_nothing_and_the_next_run_works(tmp_path: Path, store: BarStore) -> None:
    write_lines(tmp_path, MONDAY, [line("A")])
    path = write_lines(tmp_path, TUESDAY, [line(f"A{n}", TUESDAY) for n in range(500)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source = DirectorySource(tmp_path)
    with pytest.raises(UnreadableFile, match=r"day_aggs_v1/2014/06/2014-06-10\.csv\.gz"):
        list(ingest_range(source, store, "day", MONDAY, TUESDAY))
    assert store.sessions() == (MONDAY,)
    assert not [name for name in files_of(store) if name.startswith("tmp/") or "2014-06-10" in name]
    path.write_bytes(whole)
    assert [r.status for r in ingest_range(source, store, "day", MONDAY, TUESDAY)] == [
        "unchanged",
        "new_revision",
    ]


def test_wrong_columns_store_nothing(tmp_path: Path, store: BarStore) -> None:
    write_lines(tmp_path, MONDAY, ["A,1"], header="ticker,price")
    with pytest.raises(WrongColumns):
        ingest_session(DirectorySource(tmp_path), store, "day", MONDAY)
    assert store.sessions() == ()


def test_no_such_folder_of_flat_files(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFolder, match="FALCON_FLATFILES_DIR"):
        DirectorySource(tmp_path / "nowhere")


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreNotWritable, match="cannot be written"):
        BarStore(tmp_path / "file" / "store", engine)


def test_without_postgresql_nothing_is_written(tmp_path: Path) -> None:
    nowhere = create_engine(f"postgresql+psycopg2://u@/none?host={tmp_path}")
    with pytest.raises(DatabaseUnavailable, match="is it running"):
        BarStore(tmp_path / "store", nowhere)
    assert not (tmp_path / "store").exists()


def test_synthetic_and_real_bars_are_never_mixed(tmp_path: Path, store: BarStore) -> None:
    write_lines(tmp_path / "real", MONDAY, [line("A")])
    ingest_session(DirectorySource(tmp_path / "real"), store, "day", MONDAY)
    market = write_synthetic_flat_files(tmp_path / "made_up", tickers=10, sessions=60)
    with pytest.raises(MixedBases, match="FALCON_DATA_DIR"):
        ingest_session(DirectorySource(tmp_path / "made_up"), store, "day", market.sessions[0])


def test_leftovers_of_a_killed_run_are_swept(tmp_path: Path, store: BarStore) -> None:
    leftover = store.root / "tmp" / "abc123"
    leftover.mkdir(parents=True)
    (leftover / "half.parquet").write_bytes(b"PAR1")
    write_lines(tmp_path / "in", MONDAY, [line("A")])
    ingest_session(DirectorySource(tmp_path / "in"), store, "day", MONDAY)
    assert not leftover.exists()


def test_a_damaged_local_copy_is_not_taken_for_the_published_file(tmp_path: Path, store: BarStore) -> None:
    path = write_lines(tmp_path, MONDAY, [line("A")])
    listed = DirectorySource(tmp_path).files("day", [MONDAY])[MONDAY]
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    fetched = DirectorySource(tmp_path).fetch(listed, tmp_path / "copy.gz")
    assert fetched.etag != listed.etag


def test_several_batches_keep_their_order(tmp_path: Path, store: BarStore) -> None:
    market = write_synthetic_flat_files(tmp_path, tickers=8, sessions=140)
    done = list(ingest_sessions(DirectorySource(tmp_path), store, "day", market.sessions))
    assert [result.session for result in done] == list(market.sessions)
    assert store.sessions() == market.sessions
    assert sum(result.quarantined for result in done) == 1
    assert store.is_synthetic()
