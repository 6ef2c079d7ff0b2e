"""Puts a checked session into files, on disk but not yet part of the store: Parquet, its bad lines, its log entry."""

import hashlib
import io
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from falcon_pipelines.bars.files import write_errors, write_synced
from falcon_pipelines.bars.flat_files import RemoteFile
from falcon_pipelines.bars.manifest import Draft
from falcon_pipelines.bars.validation import FlatFileCheck, OutOfOrder, parquet_bytes

BARS = "bars"


@dataclass(frozen=True)
class Staged:
    """A checked session in temporary files, ready to be published and logged."""

    draft: Draft
    moves: tuple[tuple[Path, Path], ...]


def quarantine_path(path: str) -> str:
    """Where the bad lines of the session file `path` are."""
    return path.removesuffix(".parquet") + ".quarantine.parquet"


def stage(root: Path, area: Path, path: Path, file: RemoteFile, source: str, basis: str) -> Staged:
    """Checks the fetched flat file at `path` and writes temporary files below `area`, on disk when this returns.

    Raises BadFlatFile, StoreNotWritable.
    """
    target = area / f"{path.name}.parquet"
    arguments = path, file.frequency, file.session, file.etag, file.key
    check = FlatFileCheck(*arguments)
    try:
        sha256, rows = write_parquet(target, check.good())
        quarantined = check.quarantined
    except OutOfOrder:
        checked = FlatFileCheck(*arguments).whole()
        sha256, rows = write_parquet(target, [checked.good])
        quarantined = checked.quarantined
    # Two files with equal bars may have different bad lines, so the ETag is part of the name.
    key = hashlib.sha256(f"{file.etag}\n{sha256}".encode()).hexdigest()[:16]
    name = f"{BARS}/{file.frequency}/{file.session:%Y}/{file.session}.{key}.parquet"
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


def write_parquet(target: Path, parts: Iterable[pl.DataFrame]) -> tuple[str, int]:
    """Writes tables of BAR_SCHEMA as one Parquet file (zstd level 3), a row group each, and waits for the disk.

    Returns the file's SHA-256 and how many rows it has; the same parts give the same bytes. Raises
    StoreNotWritable, and what `parts` raises.
    """
    import pyarrow.parquet as pq

    rows = 0
    writer = None
    with write_errors(target), target.open("wb") as file, ThreadPoolExecutor(1) as behind:
        out = _Hashing(file)
        writing: Future[None] | None = None
        for part in parts:
            table = part.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd", compression_level=3)
            if writing is not None:
                writing.result()
            # One part is compressed while the next is being checked.
            writing = behind.submit(writer.write_table, table)
            rows += part.height
        if writer is not None and writing is not None:
            writing.result()
            writer.close()
        file.flush()
        os.fsync(file.fileno())
    return out.digest.hexdigest(), rows


class _Hashing(io.RawIOBase):
    """Passes bytes on to a file and hashes them."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()
