"""Brings sessions from a source into the store: fetch, check, stage, publish. Safe to kill and to repeat.

Sessions are published in small batches, because a batch costs one transaction and one wait for the disk; a result
is only yielded once its session is durable and visible.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from falcon_pipelines.bars import calendar
from falcon_pipelines.bars.actions import file_etag, read_actions_csv
from falcon_pipelines.bars.files import temporary_area, write_errors
from falcon_pipelines.bars.flat_files import (
    FlatFileSource,
    OutOfPlan,
    RemoteFile,
    SessionMissing,
    missing,
)
from falcon_pipelines.bars.manifest import Entry, require_basis
from falcon_pipelines.bars.massive_rest import MASSIVE, FetchedSecurities, MassiveRest
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.refusals import BadFlatFile
from falcon_pipelines.bars.staging import Staged, stage
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.errors import FalconError, InputError

BATCH = {"day": 64, "minute": 2}
"""Sessions per transaction: a few seconds of work."""
_DOWNLOADS = 4
_SHOWN = 10


class NotASession(InputError):
    """Bars were asked for of a day on which the exchange is closed."""


@dataclass(frozen=True)
class IngestResult:
    """What became of one session. `version` is the store's as soon as it can be read."""

    frequency: Frequency
    session: date
    status: Literal["new_revision", "unchanged"]
    revision: int
    rows: int
    quarantined: int
    etag: str
    version: str
    seconds: float


def ingest_range(
    source: FlatFileSource, store: BarStore, frequency: Frequency, start: date, end: date
) -> Iterator[IngestResult]:
    """Ingests every trading session from `start` to `end`, both included, oldest first.

    Nothing is asked for on holidays. Raises as `ingest_sessions`.
    """
    return ingest_sessions(source, store, frequency, calendar.sessions(start, end))


def ingest_session(
    source: FlatFileSource, store: BarStore, frequency: Frequency, session: date
) -> IngestResult:
    """Ingests one trading session. Raises as `ingest_sessions`, and NotASession."""
    if not calendar.is_session(session):
        raise NotASession(f"{session} is no trading session of XNYS; nothing is published for it")
    return next(ingest_sessions(source, store, frequency, [session]))


@dataclass(frozen=True)
class SessionFailed:
    """A session whose own file is missing or bad."""

    session: date
    error: FalconError


class SessionsFailed(FalconError):
    """Several sessions of a range have missing or bad files; the others are in."""


def raise_failures(failed: Sequence[SessionFailed]) -> None:
    """Raises what went wrong in one line: the error of one session, or SessionsFailed."""
    if not failed:
        return
    first, others = failed[0].error, failed[1:]
    if not others:
        raise first
    days = ", ".join(str(item.session) for item in others[:_SHOWN]) + (
        ", ..." if len(others) > _SHOWN else ""
    )
    error = SessionsFailed(f"{first}; {len(others)} more sessions failed: {days} (--json says why)")
    error.exit_code = min(item.error.exit_code for item in failed)
    raise error from first


def ingest_sessions(
    source: FlatFileSource, store: BarStore, frequency: Frequency, sessions: Sequence[date]
) -> Iterator[IngestResult]:
    """Ingests those trading sessions in order; a session whose ETag is known already is not fetched again.

    Raises a SourceError (SessionMissing for a session without a file), a BadFlatFile, MixedBases,
    DatabaseUnavailable or StoreNotWritable at the first session that fails; those before it are kept.
    """
    for outcome in ingest_each(source, store, frequency, sessions):
        if isinstance(outcome, SessionFailed):
            raise outcome.error
        yield outcome


def ingest_each(
    source: FlatFileSource, store: BarStore, frequency: Frequency, sessions: Sequence[date]
) -> Iterator[IngestResult | SessionFailed]:
    """Like `ingest_sessions`, but goes on past sessions whose own file is missing or bad.

    What concerns every session alike (credentials, network, database, disk) is raised.
    """
    require_basis(store.log().basis, source.basis)
    available = source.files(frequency, sessions)
    size = BATCH[frequency]
    for first in range(0, len(sessions), size):
        yield from _ingest_batch(source, store, frequency, sessions[first : first + size], available)


def ingest_actions(store: BarStore, path: Path) -> Entry | None:
    """Adds the corporate actions of a CSV file; None when nothing is new. Raises BadActionsFile."""
    return store.add_actions(read_actions_csv(path), "csv", file_etag(path))


def refresh_securities(store: BarStore, massive: MassiveRest) -> tuple[FetchedSecurities, Entry | None]:
    """Adds who every ticker is and was, as Massive knows it; the entry is None when nothing is new.

    Raises SourceError, and as `BarStore.add_securities`.
    """
    fetched = massive.securities(store.securities(), store.appeared(), datetime.now(UTC).date())
    return fetched, store.add_securities(fetched.table, MASSIVE, f"{fetched.listed} listed")


def _ingest_batch(
    source: FlatFileSource,
    store: BarStore,
    frequency: Frequency,
    sessions: Sequence[date],
    files: Mapping[date, RemoteFile],
) -> Iterator[IngestResult | SessionFailed]:
    started = time.perf_counter()
    known = store.log().sessions(frequency)
    changed = [
        files[session]
        for session in sessions
        if session in files and (session not in known or known[session].etag != files[session].etag)
    ]
    failures = {
        session: SessionFailed(session, missing(source.where(frequency, session), session))
        for session in sessions
        if session not in files
    }
    staged: list[Staged] = []
    stopped: FalconError | None = None
    if changed:
        with temporary_area(store.root) as area:
            try:
                for outcome in _stage(source, store, area, changed):
                    if isinstance(outcome, SessionFailed):
                        failures[outcome.session] = outcome
                    else:
                        staged.append(outcome)
            except FalconError as error:
                stopped = error
            if staged:
                store.commit(staged)
    new = {item.draft.session for item in staged}
    unfinished = {file.session for file in changed} - new - failures.keys()
    log = store.log()
    entries = log.sessions(frequency)
    seconds = (time.perf_counter() - started) / len(sessions)
    for session in sessions:
        if session in unfinished:
            break
        if session in failures:
            yield failures[session]
            continue
        entry = entries[session]
        yield IngestResult(
            frequency=frequency,
            session=session,
            status="new_revision" if session in new else "unchanged",
            revision=entry.revision,
            rows=entry.rows,
            quarantined=entry.quarantined,
            etag=entry.etag,
            version=log.version,
            seconds=seconds,
        )
    if stopped is not None:
        raise stopped


def _stage(
    source: FlatFileSource, store: BarStore, area: Path, files: Sequence[RemoteFile]
) -> Iterator[Staged | SessionFailed]:
    """Fetches, checks and stages files in order."""

    def fetch(file: RemoteFile) -> tuple[RemoteFile, Path]:
        target = area / f"{file.session}.csv.gz"
        with write_errors(target):
            return source.fetch(file, target), target

    # A pool keeps the next files coming while one is checked.
    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        fetches = [pool.submit(fetch, file) for file in files]
        try:
            for listed, running in zip(files, fetches, strict=True):
                try:
                    file, path = running.result()
                    yield stage(store.root, area, path, file, source.name, source.basis)
                    path.unlink()
                except (BadFlatFile, SessionMissing, OutOfPlan) as error:
                    yield SessionFailed(listed.session, error)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
