"""Writes Parquet: whole files in memory, or part by part to disk with their hash."""

import hashlib
import io
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from falcon_pipelines.bars.files import write_errors


def parquet_bytes(table: pl.DataFrame) -> bytes:
    """The table as a Parquet file (zstd level 3); the same table gives the same bytes."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=3, statistics=True)
    return buffer.getvalue()


def write_parquet(
    target: Path, parts: Iterable[pl.DataFrame], row_group: int | None = None
) -> tuple[str, int]:
    """Writes tables of one schema as one Parquet file (zstd level 3) and waits for the disk.

    A part is one row group, or several of `row_group` rows. Returns the file's SHA-256 and how many rows it has;
    the same parts give the same bytes. Raises StoreNotWritable, and what `parts` raises.
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
            writing = behind.submit(writer.write_table, table, row_group)
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
