"""Flat files as Massive publishes them: names, declared columns, and the interface every source of them offers.

One gzipped CSV per session and frequency. Says nothing about how a file is checked or stored.
"""

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import polars as pl

from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.errors import FalconError, InputError

PREFIX = "us_stocks_sip"
SIP = "sip"
SYNTHETIC = "synthetic"
SYNTHETIC_MARKER = "SYNTHETIC.json"

CSV_SCHEMA = {
    "ticker": pl.String,
    "volume": pl.Float64,
    "open": pl.Float64,
    "close": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "window_start": pl.Int64,
    "transactions": pl.Int64,
}
"""Columns in the file's order. Inference would lose tickers such as NA, NULL and TRUE, and fractional volume."""


class SourceError(FalconError):
    """A source of bars did not deliver; its subtypes say why."""


class SessionMissing(SourceError):
    """The source has no file for a trading session: not published yet, or lost. Worth retrying."""


class OutOfPlan(SourceError):
    """The subscription does not include that file."""


class Throttled(SourceError):
    """The source asked to slow down more often than we retry."""


class BadCredentials(SourceError):
    """The source does not accept the keys, or none are set."""


class NetworkFailed(SourceError):
    """The source could not be reached, or the connection kept breaking."""


class NoSuchFolder(InputError):
    """The folder of flat files is not there or cannot be read."""


@dataclass(frozen=True)
class RemoteFile:
    """One session's file at a source; a new `etag` means new content."""

    session: date
    frequency: Frequency
    key: str
    etag: str
    size_bytes: int


class FlatFileSource(Protocol):
    """Where flat files come from.

    `name` goes into the manifest. `basis` says what the prices are of (consolidated tape, one exchange, made
    up): bars of different bases are never mixed in one store.
    """

    @property
    def name(self) -> str: ...

    @property
    def basis(self) -> str: ...

    def where(self, frequency: Frequency, session: date) -> str:
        """Where that session's file is expected, for messages."""
        ...

    def sessions(self, frequency: Frequency) -> Collection[date]:
        """All sessions the source has published, by name only. Raises SourceError."""
        ...

    def files(self, frequency: Frequency, sessions: Sequence[date]) -> Mapping[date, RemoteFile]:
        """What the source has of those sessions; sessions without a file are absent. Raises SourceError."""
        ...

    def heads(self, frequency: Frequency, sessions: Sequence[date]) -> Mapping[date, RemoteFile]:
        """As `files`, each file asked for by itself where a listing could lag behind. Raises SourceError."""
        ...

    def fetch(self, file: RemoteFile, target: Path) -> RemoteFile:
        """Writes the file to `target`; returns what was really fetched. Raises SourceError."""
        ...


def file_key(frequency: Frequency, session: date, prefix: str = PREFIX) -> str:
    """Key of a session's file, such as `us_stocks_sip/day_aggs_v1/2014/06/2014-06-09.csv.gz`."""
    return f"{folder_key(frequency, prefix)}{session:%Y}/{session:%m}/{session}.csv.gz"


def folder_key(frequency: Frequency, prefix: str = PREFIX) -> str:
    """Key prefix of all files of a frequency, with its trailing slash."""
    parts = [part for part in (prefix.strip("/"), f"{frequency}_aggs_v1") if part]
    return "/".join(parts) + "/"


def session_of(key: str) -> date | None:
    """The session a key or file name is of, None when it is no flat file's."""
    name = key.rsplit("/", 1)[-1]
    try:
        return date.fromisoformat(name.removesuffix(".csv.gz")) if name.endswith(".csv.gz") else None
    except ValueError:
        return None


def missing(where: str, session: date) -> SessionMissing:
    """The error for a session whose file is not where it should be."""
    return SessionMissing(
        f"{where} does not exist though {session} is a trading session; "
        "files appear about 11:00 New York on the next day: try again later"
    )


@dataclass(frozen=True)
class DirectorySource:
    """Flat files in a local folder, laid out like the bucket.

    A folder that `falcon_pipelines.bars.synthetic` wrote says so in a marker file and keeps that name.
    """

    root: Path
    prefix: str = PREFIX

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise NoSuchFolder(
                f"{self.root}: no such folder of flat files; set --directory or FALCON_FLATFILES_DIR"
            )

    @property
    def name(self) -> str:
        return SYNTHETIC if self._is_synthetic() else "directory"

    @property
    def basis(self) -> str:
        return SYNTHETIC if self._is_synthetic() else SIP

    def where(self, frequency: Frequency, session: date) -> str:
        return str(self.root / file_key(frequency, session, self.prefix))

    def sessions(self, frequency: Frequency) -> Collection[date]:
        folder = self.root / folder_key(frequency, self.prefix)
        found = (session_of(path.name) for path in folder.glob("*/*/*.csv.gz"))
        return sorted(session for session in found if session is not None)

    def files(self, frequency: Frequency, sessions: Sequence[date]) -> Mapping[date, RemoteFile]:
        found = {}
        for session in sessions:
            key = file_key(frequency, session, self.prefix)
            path = self.root / key
            try:
                with path.open("rb") as file:
                    # The ETag S3 gives the same bytes, so that a copy of a bucket counts as the same files.
                    etag = hashlib.file_digest(file, _md5).hexdigest()
                    size = file.tell()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise NoSuchFolder(f"{path}: cannot be read ({error.strerror})") from error
            found[session] = RemoteFile(session, frequency, key, etag, size)
        return found

    def heads(self, frequency: Frequency, sessions: Sequence[date]) -> Mapping[date, RemoteFile]:
        return self.files(frequency, sessions)

    def fetch(self, file: RemoteFile, target: Path) -> RemoteFile:
        path = self.root / file.key
        try:
            shutil.copyfile(path, target)
        except FileNotFoundError:
            raise missing(str(path), file.session) from None
        with target.open("rb") as copy:
            etag = hashlib.file_digest(copy, _md5).hexdigest()
            return RemoteFile(file.session, file.frequency, file.key, etag, copy.tell())

    def _is_synthetic(self) -> bool:
        return (self.root / SYNTHETIC_MARKER).is_file()


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def mark_synthetic(root: Path, parameters: Mapping[str, object]) -> None:
    """Marks a folder of flat files as made up, with how to make it again."""
    text = json.dumps({"synthetic": True, **parameters}, indent=2, default=str) + "\n"
    (root / SYNTHETIC_MARKER).write_text(text, encoding="utf-8")


def synthetic_parameters(root: Path) -> Mapping[str, object] | None:
    """How a folder of made-up flat files was made; None for any other folder, or one not finished."""
    try:
        return dict(json.loads((root / SYNTHETIC_MARKER).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
