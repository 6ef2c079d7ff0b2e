"""Puts a checked session into files, on disk but not yet part of the store: Parquet, its bad lines, its log entry."""

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from falcon_pipelines.bars.files import publish, write_errors, write_synced
from falcon_pipelines.bars.flat_files import RemoteFile
from falcon_pipelines.bars.manifest import Draft
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.parquet import arrow_table, parquet_bytes, write_parquet
from falcon_pipelines.bars.refusals import BadFlatFile
from falcon_pipelines.bars.validation import FlatFileCheck, OutOfOrder

BARS = "bars"
REFUSED = "refused"
_QUARANTINE = ".quarantine.parquet"


@dataclass(frozen=True)
class Staged:
    """A checked session in temporary files, ready to be published and logged."""

    draft: Draft
    moves: tuple[tuple[Path, Path], ...]


def quarantine_path(path: str) -> str:
    """Where the bad lines of the session file `path` are."""
    return path.removesuffix(".parquet") + _QUARANTINE


def session_path(frequency: Frequency, session: date, etag: str, sha256: str) -> str:
    """Where a session's file goes, relative to the store's root.

    Two sources with equal bars may have different bad lines, so the ETag is part of the name.
    """
    key = hashlib.sha256(f"{etag}\n{sha256}".encode()).hexdigest()[:16]
    return f"{BARS}/{frequency}/{session:%Y}/{session}.{key}.parquet"


def stage(root: Path, area: Path, path: Path, file: RemoteFile, source: str, basis: str) -> Staged:
    """Checks the fetched flat file at `path` and writes temporary files below `area`, on disk when this returns.

    Raises BadFlatFile, whose lines are then in quarantine, and StoreNotWritable.
    """
    target = area / f"{path.name}.parquet"
    arguments = path, file.frequency, file.session, file.etag, file.key
    check = FlatFileCheck(*arguments)
    try:
        try:
            sha256, rows = write_parquet(target, check.good())
            quarantined = check.quarantined
        except OutOfOrder:
            check = FlatFileCheck(*arguments)
            checked = check.whole()
            sha256, rows = write_parquet(target, [arrow_table(checked.good)])
            quarantined = checked.quarantined
    except BadFlatFile as refusal:
        _keep_lines(root, area, check, file, refusal)
        raise
    name = session_path(file.frequency, file.session, file.etag, sha256)
    moves = [(target, root / name)]
    if quarantined.height:
        bad = area / f"{path.name}.quarantine.parquet"
        with write_errors(bad):
            write_synced(bad, parquet_bytes(quarantined))
        moves.append((bad, root / quarantine_path(name)))
    draft = Draft(
        kind="bars",
        source=source,
        basis=basis,
        etag=file.etag,
        sha256=sha256,
        path=name,
        rows=rows,
        frequency=file.frequency,
        session=file.session,
        quarantined=quarantined.height,
    )
    return Staged(draft, tuple(moves))


def _keep_lines(root: Path, area: Path, check: FlatFileCheck, file: RemoteFile, refusal: BadFlatFile) -> None:
    """Puts every line of a refused file that can be read into quarantine, where no reader of bars looks."""
    name = f"{file.session}.{hashlib.sha256(file.etag.encode()).hexdigest()[:16]}{_QUARANTINE}"
    _, refusal.lines = write_parquet(area / name, map(arrow_table, check.refused(refusal)))
    if refusal.lines:
        kept = root / REFUSED / file.frequency / f"{file.session:%Y}" / name
        with write_errors(kept):
            publish([(area / name, kept)])
        refusal.quarantine_file = kept
