"""The manifest: the append-only log of everything ever added to the bar store, and thereby its versions.

Entries are numbered and chained by SHA-256. They are committed to PostgreSQL first and then mirrored to a JSON
lines file beside the bars, which is all that readers need. A version id names a prefix of the log.
"""

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from falcon_pipelines.bars.files import locked, sync_folder, write_errors
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.db import manifest as table
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.models import ManifestEntry
from falcon_pipelines.errors import FalconError, InputError

MIRROR = "manifest.jsonl"
Kind = Literal["bars", "actions", "securities"]
EMPTY_VERSION = "v0-000000000000"
_VERSION = re.compile(r"v(\d+)-([0-9a-f]{12})")


class UnknownVersion(InputError):
    """No such version in this store."""


class ManifestDamaged(FalconError):
    """The mirror on disk has been altered or cut in its middle."""


class ManifestForked(FalconError):
    """PostgreSQL and the mirror tell different histories: one belongs to another store."""


class MixedBases(InputError):
    """Bars of different bases would come together in one series."""


@dataclass(frozen=True)
class Draft:
    """What is to be added; number, digest and revision are given by the log."""

    kind: Kind
    source: str
    basis: str
    etag: str
    sha256: str
    path: str
    rows: int
    frequency: Frequency | None = None
    session: date | None = None
    quarantined: int = 0

    @property
    def series(self) -> tuple[str, str | None, date | None]:
        """What revisions are counted of."""
        return self.kind, self.frequency, self.session


@dataclass(frozen=True)
class Entry(Draft):
    """One line of the log. `digest` covers all fields but the time, so equal histories have equal versions."""

    seq: int = 0
    revision: int = 0
    digest: str = ""
    created_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def version(self) -> str:
        """Id of the version that ends with this entry."""
        return f"v{self.seq}-{self.digest[:12]}"

    def document(self) -> dict[str, Any]:
        """The entry as JSON types, without its digest and time."""
        return {
            "seq": self.seq,
            "kind": self.kind,
            "frequency": self.frequency,
            "session": None if self.session is None else self.session.isoformat(),
            "revision": self.revision,
            "source": self.source,
            "basis": self.basis,
            "etag": self.etag,
            "sha256": self.sha256,
            "path": self.path,
            "rows": self.rows,
            "quarantined": self.quarantined,
        }

    def chained(self, previous: str) -> str:
        """The digest this entry must have after an entry with digest `previous`."""
        canonical = json.dumps(self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(f"{previous}\n{canonical}".encode()).hexdigest()

    def line(self) -> str:
        """The entry as a line of the mirror."""
        extra = {"digest": self.digest, "created_at": self.created_at.isoformat()}
        return json.dumps(self.document() | extra, separators=(",", ":"), ensure_ascii=True) + "\n"


@dataclass(frozen=True)
class Log:
    """A prefix of the manifest; immutable."""

    entries: tuple[Entry, ...] = ()

    @property
    def version(self) -> str:
        """Id of the whole log."""
        return self.entries[-1].version if self.entries else EMPTY_VERSION

    @property
    def digest(self) -> str:
        """Digest of the newest entry, empty for an empty log."""
        return self.entries[-1].digest if self.entries else ""

    def at(self, version: str | None) -> "Log":
        """The prefix that `version` names; None means all. Raises UnknownVersion."""
        if version is None or version == self.version:
            return self
        match = _VERSION.fullmatch(version)
        if match is None:
            raise UnknownVersion(f"{version!r} is no version id; they look like {self.version}")
        seq = int(match[1])
        if not 0 < seq <= len(self.entries) or self.entries[seq - 1].version != version:
            raise UnknownVersion(f"this store has no version {version}; its newest is {self.version}")
        return Log(self.entries[:seq])

    @cached_property
    def newest(self) -> dict[tuple[str, str | None, date | None], Entry]:
        """The newest entry of each series."""
        return {entry.series: entry for entry in self.entries}

    def sessions(self, frequency: Frequency) -> Mapping[date, Entry]:
        """The newest entry of each session of that frequency, by session in order."""
        return self._sessions.get(frequency, {})

    @cached_property
    def _sessions(self) -> dict[str, dict[date, Entry]]:
        found: dict[str, dict[date, Entry]] = {}
        for entry in sorted(self.newest.values(), key=lambda entry: entry.session or date.min):
            if entry.frequency is not None and entry.session is not None:
                found.setdefault(entry.frequency, {})[entry.session] = entry
        return found

    def latest(self, kind: Literal["actions", "securities"]) -> Entry | None:
        """The newest entry of a kind that has no sessions."""
        return self.newest.get((kind, None, None))

    @cached_property
    def basis(self) -> str | None:
        """Basis of the bars, None while there are none."""
        return next((entry.basis for entry in self.entries if entry.kind == "bars"), None)

    def extended(self, entries: Iterable[Entry]) -> "Log":
        """The log with more entries at its end."""
        return Log(self.entries + tuple(entries))

    def numbered(self, drafts: Sequence[Draft], now: datetime) -> tuple[Entry, ...]:
        """`drafts` as the next entries, without those whose ETag is the series' newest already.

        Raises MixedBases.
        """
        newest = dict(self.newest)
        digest, seq = self.digest, len(self.entries)
        basis = self.basis
        entries = []
        for draft in drafts:
            last = newest.get(draft.series)
            if last is not None and last.etag == draft.etag:
                continue
            if draft.kind == "bars":
                basis = basis or draft.basis
                require_basis(basis, draft.basis)
            seq += 1
            fields = {field.name: getattr(draft, field.name) for field in dataclasses.fields(Draft)}
            entry = Entry(
                **fields, seq=seq, revision=1 if last is None else last.revision + 1, created_at=now
            )
            digest = entry.chained(digest)
            entry = dataclasses.replace(entry, digest=digest)
            newest[draft.series] = entry
            entries.append(entry)
        return tuple(entries)


def require_basis(present: str | None, offered: str) -> None:
    """Raises MixedBases when bars of basis `offered` may not join those that are `present`."""
    if present is not None and present != offered:
        raise MixedBases(
            f"this store holds {present} bars; {offered} bars may not be mixed with them: "
            "set FALCON_DATA_DIR to another folder"
        )


class Batch:
    """Additions under the writer's lock; committed together when the block ends."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.entries: tuple[Entry, ...] = ()

    def append(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Add drafts to the log; returns the entries made. Raises MixedBases."""
        made = self.log.numbered(drafts, datetime.now(UTC))
        self.log = self.log.extended(made)
        self.entries += made
        return made


class Manifest:
    """The manifest of the store at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._mirror = root / MIRROR
        self._log = Log()
        self._offset = 0
        self._inode = 0

    def read(self) -> Log:
        """What the mirror says now; a last line that is still being written is left out.

        Raises ManifestDamaged.
        """
        try:
            with self._mirror.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self._log, self._offset, self._inode = Log(), 0, status.st_ino
                if status.st_size > self._offset:
                    file.seek(self._offset)
                    self._take(file.read())
        except FileNotFoundError:
            self._log, self._offset, self._inode = Log(), 0, 0
        return self._log

    def _take(self, content: bytes) -> None:
        complete = content.rfind(b"\n") + 1
        entries = []
        digest, seq = self._log.digest, len(self._log.entries)
        for line in content[:complete].splitlines():
            seq += 1
            try:
                entry = _parsed(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ManifestDamaged(
                    f"{self._mirror}: line {seq} cannot be read; restore the file, or remove it and run an ingest"
                ) from error
            if entry.seq != seq or entry.digest != entry.chained(digest):
                raise ManifestDamaged(
                    f"{self._mirror}: line {seq} was altered; restore the file, or remove it and run an ingest"
                )
            digest = entry.digest
            entries.append(entry)
        self._log = self._log.extended(entries)
        self._offset += complete

    @contextmanager
    def writing(self, engine: Engine) -> Iterator[Batch]:
        """The right to add to the log: PostgreSQL commits first, then the mirror follows.

        Both are first brought to the same state. Raises DatabaseUnavailable, ManifestForked, StoreNotWritable.
        """
        with write_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        with write_errors(self.root), locked(self.root / f".{MIRROR}.lock"):
            self._cut_torn_tail()
            with transaction(engine) as session:
                table.lock_for_writing(session)
                batch = Batch(self._reconciled(session))
                yield batch
                table.append(session, [_row(entry) for entry in batch.entries])
            self._extend_mirror(batch.entries)

    def reconcile(self, engine: Engine) -> Log:
        """Brings PostgreSQL and the mirror to the longer of both. Raises as `writing`."""
        with self.writing(engine) as batch:
            return batch.log

    def _reconciled(self, session: Session) -> Log:
        log = self.read()
        newest = table.tail(session)
        common = min(newest.seq, len(log.entries))
        if common:
            here = log.entries[common - 1].digest
            there = newest.digest if newest.seq == common else table.digest_of(session, common)
            if here != there:
                raise ManifestForked(
                    f"{self._mirror} and PostgreSQL disagree at entry {common}: the folder and the database "
                    "belong to different stores; check FALCON_DATA_DIR and FALCON_DATABASE_URL"
                )
        if newest.seq > common:
            self._extend_mirror([_entry(row) for row in table.entries_after(session, common)])
        elif len(log.entries) > common:
            table.append(session, [_row(entry) for entry in log.entries[common:]])
        return self.read()

    def _cut_torn_tail(self) -> None:
        self.read()
        if self._mirror.exists() and self._mirror.stat().st_size > self._offset:
            with self._mirror.open("r+b") as file:
                file.truncate(self._offset)
                os.fsync(file.fileno())

    def _extend_mirror(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        new = not self._mirror.exists()
        with self._mirror.open("ab") as file:
            file.write("".join(entry.line() for entry in entries).encode())
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_folder(self.root)


def _parsed(document: dict[str, Any]) -> Entry:
    session = document["session"]
    fields = document | {
        "session": None if session is None else date.fromisoformat(session),
        "created_at": datetime.fromisoformat(document["created_at"]),
    }
    return Entry(**fields)


_COLUMNS = tuple(field.name for field in dataclasses.fields(Entry))


def _row(entry: Entry) -> ManifestEntry:
    return ManifestEntry(**{name: getattr(entry, name) for name in _COLUMNS})


def _entry(row: ManifestEntry) -> Entry:
    return Entry(**{name: getattr(row, name) for name in _COLUMNS})
