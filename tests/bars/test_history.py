import threading
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from falcon_pipelines.bars import history
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.housekeeping import sweep
from falcon_pipelines.bars.ingest import ingest_range, ingest_session
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from tests.bars.market import MONDAY, TUESDAY, line, write_lines


def test_a_derived_file_is_sorted_by_ticker_then_time(tmp_path: Path, store: BarStore) -> None:
    for session in (MONDAY, TUESDAY):
        rows = [line(ticker, session, minutes=minute) for ticker in ("B", "A") for minute in (571, 570)]
        write_lines(tmp_path / "in", session, rows, frequency="minute")
    list(ingest_range(DirectorySource(tmp_path / "in"), store, "minute", MONDAY, TUESDAY))
    (path,) = store.build_history("minute")
    assert path.name.startswith("2014-06.")
    derived = pl.read_parquet(path)
    assert derived.equals(derived.sort("ticker", "timestamp"))
    assert derived.height == 8


def test_slices_of_the_alphabet_make_the_same_file(
    tmp_path: Path, store: BarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = write_synthetic_flat_files(tmp_path / "in", tickers=50, sessions=60)
    list(
        ingest_range(DirectorySource(tmp_path / "in"), store, "day", market.sessions[0], market.sessions[-1])
    )
    (whole,) = store.build_history("day")
    expected = pl.read_parquet(whole)
    whole.unlink()
    monkeypatch.setattr(history, "_SLICE_ROWS", 400)
    (sliced,) = store.build_history("day")
    assert sliced == whole
    assert pl.read_parquet(sliced).equals(expected)


def test_only_the_period_of_a_new_revision_is_rebuilt(tmp_path: Path, store: BarStore) -> None:
    days = [date(2013, 12, 31), date(2014, 1, 2)]
    for day in days:
        write_lines(tmp_path / "in", day, [line("A", day)])
    source = DirectorySource(tmp_path / "in")
    list(ingest_range(source, store, "day", days[0], days[1]))
    assert [path.name[:4] for path in store.build_history("day")] == ["2013", "2014"]
    write_lines(tmp_path / "in", days[1], [line("A", days[1], close=10)])
    ingest_session(source, store, "day", days[1])
    assert [path.name[:4] for path in store.build_history("day")] == ["2014"]


def test_a_store_reads_the_same_without_its_derived_tier(tmp_path: Path, store: BarStore) -> None:
    for session in (MONDAY, TUESDAY):
        write_lines(tmp_path / "in", session, [line("A", session)])
    list(ingest_range(DirectorySource(tmp_path / "in"), store, "day", MONDAY, TUESDAY))
    for path in store.build_history("day"):
        before = store.panel(["A"], MONDAY, TUESDAY)
        path.unlink()
    np.testing.assert_array_equal(store.panel(["A"], MONDAY, TUESDAY)["close"], before["close"])


def test_readers_are_unharmed_while_the_derived_tier_is_swapped(tmp_path: Path, store: BarStore) -> None:
    for session in (MONDAY, TUESDAY):
        write_lines(tmp_path / "in", session, [line("A", session, close=10)])
    source = DirectorySource(tmp_path / "in")
    list(ingest_range(source, store, "day", MONDAY, TUESDAY))
    wrong: list[object] = []
    reads = 0
    stop = threading.Event()

    def read() -> None:
        nonlocal reads
        reader = BarStore(store.root)
        while not stop.is_set():
            try:
                closes = reader.history("A", MONDAY, TUESDAY)["close"].to_list()
                # 10 at first, then one session after the other at 9.5 and 9.
                if len(closes) != 2 or not set(closes) <= {10, 9.5, 9}:
                    wrong.append(closes)
            except Exception as error:  # noqa: BLE001 - any failure of a reader is what is tested
                wrong.append(error)
            reads += 1

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for close in (9.5, 9, 9.5, 9, 9.5):
        for session in (MONDAY, TUESDAY):
            write_lines(tmp_path / "in", session, [line("A", session, close=close)])
            ingest_session(source, store, "day", session)
            store.build_history("day")
            sweep(store)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert reads > 10
