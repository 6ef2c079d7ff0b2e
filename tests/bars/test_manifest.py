from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.manifest import (
    MIRROR,
    Draft,
    Log,
    Manifest,
    ManifestDamaged,
    ManifestForked,
    UnknownVersion,
)
from falcon_pipelines.db.models import ManifestEntry


def draft(day: int, etag: str = "e") -> Draft:
    return Draft("bars", "directory", "sip", etag, "00", f"{day}.parquet", 1, "day", date(2014, 6, day))


def add(manifest: Manifest, engine: Engine, *drafts: Draft) -> Log:
    with manifest.writing(engine) as batch:
        batch.append(drafts)
    return manifest.read()


def rows(engine: Engine) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(ManifestEntry)) or 0


def test_every_entry_makes_a_version_that_names_a_prefix(tmp_path: Path, engine: Engine) -> None:
    manifest = Manifest(tmp_path)
    first = add(manifest, engine, draft(9)).version
    second = add(manifest, engine, draft(10), draft(9, "new")).version
    log = manifest.read()
    assert log.version == second != first
    assert list(log.at(first).sessions("day")) == [date(2014, 6, 9)]
    assert log.sessions("day")[date(2014, 6, 9)].revision == 2
    assert log.at(first).sessions("day")[date(2014, 6, 9)].etag == "e"
    with pytest.raises(UnknownVersion, match="v1-000000000000"):
        log.at("v1-000000000000")
    with pytest.raises(UnknownVersion, match="yesterday"):
        log.at("yesterday")


def test_the_same_etag_again_adds_nothing(tmp_path: Path, engine: Engine) -> None:
    manifest = Manifest(tmp_path)
    before = add(manifest, engine, draft(9))
    assert add(manifest, engine, draft(9)).version == before.version


def test_equal_histories_have_equal_versions(tmp_path: Path) -> None:
    one = Log().extended(Log().numbered([draft(9), draft(10)], datetime(2026, 1, 1, tzinfo=UTC)))
    two = Log().extended(Log().numbered([draft(9), draft(10)], datetime(2027, 1, 1, tzinfo=UTC)))
    other = Log().extended(Log().numbered([draft(9), draft(11)], datetime(2026, 1, 1, tzinfo=UTC)))
    assert one.version == two.version != other.version


def test_a_lost_mirror_is_restored_from_postgresql(tmp_path: Path, engine: Engine) -> None:
    before = add(Manifest(tmp_path), engine, draft(9), draft(10))
    (tmp_path / MIRROR).unlink()
    assert Manifest(tmp_path).reconcile(engine) == before
    assert Manifest(tmp_path).read() == before


def test_a_lost_database_is_restored_from_the_mirror(tmp_path: Path, engine: Engine) -> None:
    before = add(Manifest(tmp_path), engine, draft(9), draft(10), draft(11))
    with Session(engine) as session, session.begin():
        session.execute(delete(ManifestEntry).where(ManifestEntry.seq > 1))
    assert Manifest(tmp_path).reconcile(engine) == before
    assert rows(engine) == 3


def test_a_torn_last_line_is_ignored_by_readers_and_repaired_by_writers(
    tmp_path: Path, engine: Engine
) -> None:
    before = add(Manifest(tmp_path), engine, draft(9), draft(10))
    mirror = tmp_path / MIRROR
    whole = mirror.read_bytes()
    for cut in (1, 20, len(whole) // 2 - 5):
        mirror.write_bytes(whole[:-cut])
        assert len(Manifest(tmp_path).read().entries) == 1
        assert Manifest(tmp_path).reconcile(engine) == before
        assert mirror.read_bytes() == whole


def test_a_reader_follows_the_mirror_as_it_grows(tmp_path: Path, engine: Engine) -> None:
    reader = Manifest(tmp_path)
    assert reader.read().entries == ()
    add(Manifest(tmp_path), engine, draft(9))
    assert len(reader.read().entries) == 1
    add(Manifest(tmp_path), engine, draft(10))
    assert len(reader.read().entries) == 2


def test_an_altered_mirror_is_refused(tmp_path: Path, engine: Engine) -> None:
    add(Manifest(tmp_path), engine, draft(9), draft(10))
    mirror = tmp_path / MIRROR
    mirror.write_text(mirror.read_text().replace("9.parquet", "8.parquet"))
    with pytest.raises(ManifestDamaged, match="line 1"):
        Manifest(tmp_path).read()


def test_a_folder_and_a_database_of_different_stores_do_not_go_together(
    tmp_path: Path, engine: Engine
) -> None:
    add(Manifest(tmp_path / "a"), engine, draft(9), draft(10))
    with Session(engine) as session, session.begin():
        session.execute(delete(ManifestEntry))
    add(Manifest(tmp_path / "b"), engine, draft(11))
    with pytest.raises(ManifestForked, match="FALCON_DATA_DIR"):
        Manifest(tmp_path / "a").reconcile(engine)


def test_a_failed_publication_adds_no_entry(tmp_path: Path, engine: Engine) -> None:
    manifest = Manifest(tmp_path)

    def fail() -> None:
        with manifest.writing(engine) as batch:
            batch.append([draft(9)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert manifest.read().entries == ()
    assert rows(engine) == 0


def test_the_digest_covers_every_field_but_the_time() -> None:
    entry = Log().numbered([draft(9)], datetime(2026, 1, 1, tzinfo=UTC))[0]
    assert entry.chained("") == replace(entry, created_at=datetime(2027, 1, 1, tzinfo=UTC)).chained("")
    changed = {"seq": 2, "kind": "actions", "frequency": "minute", "session": None, "revision": 2, "source": "s3",
               "basis": "iex", "etag": "f", "sha256": "01", "path": "p", "rows": 2, "quarantined": 1}  # fmt: skip
    for name, value in changed.items():
        assert replace(entry, **{name: value}).chained("") != entry.digest, name
