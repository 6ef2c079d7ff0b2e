"""Keeps the store's folder tidy: what it holds by tier, what nobody needs any more, and whether files are intact.

Revisions are never removed, however old: a version id promises the same bytes for ever.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import get_args

from falcon_pipelines.bars import history
from falcon_pipelines.bars.files import TEMPORARY, sweep_temporary, write_errors
from falcon_pipelines.bars.manifest import Entry, Log
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.staging import BARS, REFUSED, quarantine_path
from falcon_pipelines.bars.store import BarStore


@dataclass(frozen=True)
class TierSize:
    """Files of one tier and their size on disk."""

    tier: str
    files: int
    size_bytes: int


@dataclass(frozen=True)
class SizeReport:
    """What the store holds. `superseded` counts revisions that only older versions read."""

    tiers: tuple[TierSize, ...]
    sessions: int
    revisions: int
    superseded: int
    rows: int

    @property
    def size_bytes(self) -> int:
        """All tiers together."""
        return sum(tier.size_bytes for tier in self.tiers)


@dataclass(frozen=True)
class Swept:
    """What a sweep removed."""

    temporary_folders: int
    orphaned_files: int
    derived_files: int


@dataclass(frozen=True)
class Damage:
    """A session file that is not what the manifest says."""

    path: str
    session: date | None
    problem: str


def size_report(store: BarStore) -> SizeReport:
    """Counts and sizes of the store's files, and rows of its newest revisions."""
    log = store.log()
    bars = [entry for entry in log.entries if entry.kind == "bars"]
    newest = [entry for frequency in get_args(Frequency) for entry in log.sessions(frequency).values()]
    files = list(_files(store.root / BARS))
    tiers = (
        _tier("sessions", (path for path in files if not path.name.endswith(".quarantine.parquet"))),
        _tier("quarantine", (path for path in files if path.name.endswith(".quarantine.parquet"))),
        _tier("refused", _files(store.root / REFUSED)),
        _tier("history", _files(store.root / history.FOLDER)),
        _tier("actions", _files(store.root / "actions")),
        _tier("securities", _files(store.root / "securities")),
        _tier("temporary", _files(store.root / TEMPORARY)),
    )
    return SizeReport(
        tiers=tiers,
        sessions=len(newest),
        revisions=len(bars),
        superseded=len(bars) - len(newest),
        rows=sum(entry.rows for entry in newest),
    )


def sweep(store: BarStore) -> Swept:
    """Removes leftovers of killed runs, files no version names, and derived files of older versions.

    Raises ReadOnlyStore, DatabaseUnavailable, StoreNotWritable.
    """
    temporary = sweep_temporary(store.root)
    # Under the writer's lock, so that no file is taken for an orphan between its renaming and its logging.
    with store.adding() as batch:
        log = batch.log
        named = _named(log)
        orphans = [
            path
            for folder in (BARS, "actions", "securities")
            for path in _files(store.root / folder)
            if path.relative_to(store.root).as_posix() not in named
        ]
        with write_errors(store.root):
            for path in orphans:
                path.unlink(missing_ok=True)
        derived = history.sweep(store.root, log)
    return Swept(temporary, len(orphans), derived)


def verify(store: BarStore, version: str | None = None) -> tuple[Damage, ...]:
    """Compares every file of a version with its hash in the manifest; returns those that differ."""
    damages = []
    for entry in store.log(version).newest.values():
        problem = _problem(store.root, entry)
        if problem is not None:
            damages.append(Damage(entry.path, entry.session, problem))
    return tuple(damages)


def _problem(root: Path, entry: Entry) -> str | None:
    try:
        with (root / entry.path).open("rb") as file:
            intact = hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
    except OSError as error:
        return error.strerror or "cannot be read"
    return None if intact else "its content has changed"


def _named(log: Log) -> set[str]:
    paths = {entry.path for entry in log.entries}
    return paths | {quarantine_path(entry.path) for entry in log.entries if entry.quarantined}


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _tier(name: str, files: Iterable[Path]) -> TierSize:
    sizes = [path.stat().st_size for path in files]
    return TierSize(name, len(sizes), sum(sizes))
