"""The watched folder of transcripts: what to make of each file in it, and the record of that."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.errors import FalconError
from falcon_pipelines.strategies.transcripts import (
    MAX_BYTES,
    SUFFIXES,
    InvalidTranscript,
    Transcript,
    parse_words,
    printable,
    read_transcript,
)

FileState = Literal["arriving", "accepted", "studied", "duplicate", "unknown_format", "unreadable", "failed"]
SETTLED_SECONDS = 5.0
_FILES_A_LOOK = 200
_UNFINISHED_SUFFIXES = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download")


class FileChanged(FalconError):
    """A transcript file is not the one that was accepted; the next look takes it as it is now."""


@dataclass(frozen=True)
class DroppedFile:
    """A file of the watched folder as it was at the latest look; `transcript_id` is the hash of its content."""

    name: str
    state: FileState
    detail: str | None
    size_bytes: int
    modified_at: datetime
    seen_at: datetime
    transcript_id: str | None = None


def look(folder: Path, known: Mapping[str, DroppedFile], now: datetime) -> list[DroppedFile]:
    """The files that are new, changed, or have settled since the latest look, each with what becomes of it.

    A file is read when it has not changed for SETTLED_SECONDS. Hidden files are left alone. At most 200 files
    are read in one look. An absent folder has no files.
    """
    owners = {
        file.transcript_id: name
        for name, file in known.items()
        if file.transcript_id and file.state in ("accepted", "studied", "failed")
    }
    changed: list[DroppedFile] = []
    read = 0
    for name, path in _entries(folder):
        before = known.get(name)
        try:
            status = path.lstat()
        except OSError:
            continue
        modified = datetime.fromtimestamp(int(status.st_mtime), UTC)
        same = before is not None and (before.size_bytes, before.modified_at) == (status.st_size, modified)
        if before is not None and same and before.state != "arriving":
            continue
        state, detail, transcript_id = _without_reading(path, status)
        if state is None:
            quiet_since = before.seen_at if before is not None and same else modified
            if (now - quiet_since).total_seconds() < SETTLED_SECONDS or read >= _FILES_A_LOOK:
                state, detail = "arriving", "is read when it has stopped growing"
            else:
                read += 1
                state, detail, transcript_id = _read(path)
        if transcript_id is not None and owners.setdefault(transcript_id, name) != name:
            state, detail = "duplicate", f"the same as {owners[transcript_id]}; nothing is done"
        found = DroppedFile(name, state, detail, status.st_size, modified, now, transcript_id)
        if before is None or not same or before.state != state:
            changed.append(found)
    return changed


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files by the name they are shown under: characters that could act on a terminal are written as escapes."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if not path.name.startswith("."):
            shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path.name)
            yield shown, path


def _without_reading(path: Path, status: os.stat_result) -> tuple[FileState | None, str | None, None]:
    if stat.S_ISDIR(status.st_mode):
        return "unreadable", "is a folder; only files directly in the watched folder are read", None
    if not stat.S_ISREG(status.st_mode):
        return "unreadable", "is a link or a device, not a file; put the file itself here", None
    suffix = path.suffix.lower()
    if suffix in _UNFINISHED_SUFFIXES:
        return "arriving", "is named like a file that is still being copied", None
    if suffix not in SUFFIXES:
        return "unknown_format", f"a transcript file ends with {', '.join(SUFFIXES)}; rename it", None
    if status.st_size > MAX_BYTES:
        return "unreadable", f"is larger than {MAX_BYTES // 1_000_000} MB", None
    return None, None, None


def _read(path: Path) -> tuple[FileState, str | None, str | None]:
    try:
        content = path.read_bytes()
        parse_words(content, path.suffix.lower(), printable(path.name))
    except OSError as error:
        return "unreadable", f"cannot be read: {error.strerror or type(error).__name__}", None
    except InvalidTranscript as error:
        return "unreadable", f"{error}; drop it again when it is mended", None
    return "accepted", "is studied next", hashlib.sha256(content).hexdigest()[:16]


def known_files(session: Session) -> dict[str, DroppedFile]:
    """Every file ever seen, by name."""
    rows = session.scalars(select(models.TranscriptFile))
    return {
        row.name: DroppedFile(
            row.name,
            row.state,  # type: ignore[arg-type]
            row.detail,
            row.size_bytes,
            row.modified_at,
            row.seen_at,
            row.transcript_id,
        )
        for row in rows
    }


def store_files(session: Session, files: list[DroppedFile]) -> None:
    """Keep what a look found."""
    for file in files:
        row = {
            "state": file.state,
            "detail": file.detail,
            "size_bytes": file.size_bytes,
            "modified_at": file.modified_at,
            "seen_at": file.seen_at,
            "transcript_id": file.transcript_id,
        }
        statement = insert(models.TranscriptFile).values(name=file.name, **row)
        session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))


def mark_file(session: Session, transcript_id: str, state: FileState, detail: str) -> None:
    """What came of an accepted file."""
    session.execute(
        update(models.TranscriptFile)
        .where(
            models.TranscriptFile.transcript_id == transcript_id,
            models.TranscriptFile.state.in_(("accepted", "studied", "failed")),
        )
        .values(state=state, detail=detail)
    )


def accepted_name(session: Session, transcript_id: str) -> str | None:
    """The name of the file that holds a transcript."""
    return session.scalar(
        select(models.TranscriptFile.name).where(
            models.TranscriptFile.transcript_id == transcript_id,
            models.TranscriptFile.state.in_(("accepted", "studied", "failed")),
        )
    )


def read_accepted(folder: Path, name: str, transcript_id: str) -> Transcript:
    """The transcript in an accepted file. Raises FileChanged where the file is gone or another by now."""
    path = next((path for shown, path in _entries(folder) if shown == name), None)
    transcript = read_transcript(path) if path is not None else None
    if transcript is None or transcript.id != transcript_id:
        raise FileChanged(f"{name}: is gone or has changed since it was accepted; drop it again")
    return transcript
