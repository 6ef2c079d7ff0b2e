"""A dropped file is read when it has stopped growing, once, and again when it has changed."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from falcon_pipelines.strategies.videos.folder import SETTLED_SECONDS, DroppedFile, look

WRITTEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
QUIET = timedelta(seconds=SETTLED_SECONDS)


def write(path: Path, text: str, at: datetime = WRITTEN) -> None:
    path.write_text(text)
    os.utime(path, (at.timestamp(), at.timestamp()))


def seen(folder: Path, known: dict[str, DroppedFile], now: datetime) -> dict[str, str]:
    """The states that changed in one look, which `known` then holds."""
    changed = look(folder, known, now)
    known.update({file.name: file for file in changed})
    return {file.name: file.state for file in changed}


def test_a_growing_file_waits_until_it_has_been_quiet(tmp_path: Path) -> None:
    known: dict[str, DroppedFile] = {}
    write(tmp_path / "a.txt", "buy")
    assert seen(tmp_path, known, WRITTEN + timedelta(seconds=1)) == {"a.txt": "arriving"}
    write(tmp_path / "a.txt", "buy low", WRITTEN + timedelta(seconds=4))
    assert seen(tmp_path, known, WRITTEN + QUIET) == {"a.txt": "arriving"}
    assert seen(tmp_path, known, WRITTEN + 2 * QUIET) == {"a.txt": "accepted"}
    assert seen(tmp_path, known, WRITTEN + 3 * QUIET) == {}


def test_a_file_from_the_future_is_read_when_it_has_not_changed_between_looks(tmp_path: Path) -> None:
    known: dict[str, DroppedFile] = {}
    write(tmp_path / "a.txt", "buy low", WRITTEN + timedelta(days=1))
    assert seen(tmp_path, known, WRITTEN) == {"a.txt": "arriving"}
    assert seen(tmp_path, known, WRITTEN + QUIET) == {"a.txt": "accepted"}


def test_a_changed_file_is_another_transcript_and_a_copy_is_none(tmp_path: Path) -> None:
    known: dict[str, DroppedFile] = {}
    write(tmp_path / "a.txt", "buy low")
    write(tmp_path / "b.txt", "buy low")
    assert seen(tmp_path, known, WRITTEN + QUIET) == {"a.txt": "accepted", "b.txt": "duplicate"}
    first = known["a.txt"].transcript_id
    write(tmp_path / "a.txt", "sell high", WRITTEN + timedelta(minutes=1))
    assert seen(tmp_path, known, WRITTEN + timedelta(minutes=2)) == {"a.txt": "accepted"}
    assert known["a.txt"].transcript_id != first


def test_an_absent_folder_has_no_files(tmp_path: Path) -> None:
    assert look(tmp_path / "nowhere", {}, WRITTEN) == []
