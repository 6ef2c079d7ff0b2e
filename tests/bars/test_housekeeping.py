import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from falcon_pipelines.bars.files import StoreNotWritable
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.housekeeping import size_report, sweep, verify
from falcon_pipelines.bars.ingest import ingest_range, ingest_session
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import SyntheticMarket, write_synthetic_flat_files
from tests.bars.market import MONDAY, TUESDAY, line, write_lines


@pytest.fixture
def filled(tmp_path: Path, store: BarStore) -> BarStore:
    """Two sessions, one of them republished, with a derived file for each state."""
    for close in (11, 10):
        for session in (MONDAY, TUESDAY):
            write_lines(
                tmp_path / "in",
                session,
                [line("A", session, close=close if session == MONDAY else 11), "bad"],
            )
        list(ingest_range(DirectorySource(tmp_path / "in"), store, "day", MONDAY, TUESDAY))
        store.build_history("day")
    return store


def tier(store: BarStore, name: str) -> int:
    return next(tier.files for tier in size_report(store).tiers if tier.tier == name)


def test_a_size_report_counts_each_tier(filled: BarStore) -> None:
    report = size_report(filled)
    assert (report.sessions, report.revisions, report.superseded, report.rows) == (2, 3, 1, 2)
    assert (tier(filled, "sessions"), tier(filled, "quarantine"), tier(filled, "history")) == (3, 3, 2)
    assert report.size_bytes > 0


def test_a_sweep_removes_what_no_version_names_and_nothing_else(filled: BarStore) -> None:
    orphan = filled.root / "bars" / "day" / "2014" / "2014-06-09.0000000000000000.parquet"
    orphan.write_bytes(b"left by a killed run")
    leftover = filled.root / "tmp" / "left"
    leftover.mkdir()
    versions = [entry.version for entry in filled.log().entries]
    before = [
        filled.panel(["A"], MONDAY, TUESDAY, version=version)["close"].tobytes() for version in versions
    ]
    swept = sweep(filled)
    assert (swept.temporary_folders, swept.orphaned_files, swept.derived_files) == (1, 1, 1)
    assert not orphan.exists()
    assert not leftover.exists()
    assert [
        filled.panel(["A"], MONDAY, TUESDAY, version=version)["close"].tobytes() for version in versions
    ] == before
    assert filled.quarantined(MONDAY).height == 1
    assert sweep(filled) == type(swept)(0, 0, 0)


def test_a_changed_file_is_found(filled: BarStore) -> None:
    assert verify(filled) == ()
    path = filled.root / filled.log().sessions("day")[TUESDAY].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    (damage,) = verify(filled)
    assert (damage.session, damage.problem) == (TUESDAY, "its content has changed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def market(tmp_path: Path) -> SyntheticMarket:
    """More than fits."""
    return write_synthetic_flat_files(tmp_path / "in", tickers=120, sessions=180)


def test_a_full_disk_leaves_nothing_half_done_and_says_so(
    small_disk: Path, market: SyntheticMarket, engine: Engine
) -> None:
    store = BarStore(small_disk / "store", engine)
    source = DirectorySource(market.root)
    done = []

    def ingest_all() -> None:
        for result in ingest_range(source, store, "day", market.sessions[0], market.sessions[-1]):
            done.append(result.session)  # noqa: PERF401 - keeps those before the failure

    with pytest.raises(StoreNotWritable, match="the disk is full"):
        ingest_all()
    assert 0 < len(done) < len(market.sessions)
    reader = BarStore(store.root)
    assert list(reader.sessions()) == done
    assert all(reader.cross_section(session).height > 100 for session in done)
    assert not [path for path in (store.root / "tmp").iterdir() if path.name != ".lock"]
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    list(ingest_range(source, BarStore(store.root, engine), "day", market.sessions[0], market.sessions[-1]))
    assert BarStore(store.root).sessions() == market.sessions


def test_a_full_disk_does_not_hurt_the_derived_tier(small_disk: Path, tmp_path: Path, engine: Engine) -> None:
    store = BarStore(small_disk / "store", engine)
    write_lines(tmp_path / "in", MONDAY, [line("A")])
    ingest_session(DirectorySource(tmp_path / "in"), store, "day", MONDAY)
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(bytes(1_100_000))
    with pytest.raises(StoreNotWritable, match="the disk is full"):
        store.build_history("day")
    assert store.history("A", MONDAY, TUESDAY).height == 1
    filler.unlink()
    assert len(store.build_history("day")) == 1
