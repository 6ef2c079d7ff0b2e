"""Puts a checked session into files, on disk but not yet part of the store: Parquet, its bad lines, its log entry."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from falcon_pipelines.bars.files import write_errors, write_synced
from falcon_pipelines.bars.flat_files import RemoteFile
from falcon_pipelines.bars.manifest import Draft
from falcon_pipelines.bars.validation import CheckedFile, parquet_bytes

BARS = "bars"


@dataclass(frozen=True)
class Staged:
    """A checked session in temporary files, ready to be published and logged."""

    draft: Draft
    moves: tuple[tuple[Path, Path], ...]


def quarantine_path(path: str) -> str:
    """Where the bad lines of the session file `path` are."""
    return path.removesuffix(".parquet") + ".quarantine.parquet"


def stage(root: Path, area: Path, checked: CheckedFile, file: RemoteFile, source: str, basis: str) -> Staged:
    """Writes temporary files below `area` and waits until they are on disk. Raises StoreNotWritable."""
    content = parquet_bytes(checked.good)
    sha256 = hashlib.sha256(content).hexdigest()
    # Two files with equal bars may have different bad lines, so the ETag is part of the name.
    key = hashlib.sha256(f"{file.etag}\n{sha256}".encode()).hexdigest()[:16]
    path = f"{BARS}/{file.frequency}/{file.session:%Y}/{file.session}.{key}.parquet"
    contents = [(root / path, content)]
    if checked.quarantined.height:
        contents.append((root / quarantine_path(path), parquet_bytes(checked.quarantined)))
    moves = []
    for target, data in contents:
        temporary = area / target.name
        with write_errors(target):
            write_synced(temporary, data)
        moves.append((temporary, target))
    draft = Draft(
        kind="bars",
        source=source,
        basis=basis,
        etag=file.etag,
        sha256=sha256,
        path=path,
        rows=checked.good.height,
        frequency=file.frequency,
        session=file.session,
        quarantined=checked.quarantined.height,
    )
    return Staged(draft, tuple(moves))
