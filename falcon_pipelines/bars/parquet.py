"""Writes Parquet: whole files in memory, or part by part to disk with their hash."""

import hashlib
import io
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import polars as pl
from numpy.typing import NDArray

from falcon_pipelines.bars.files import write_errors

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSION: Final = "zstd"
LEVEL: Final = 1
TICKER = "ticker"
_SPLIT_BYTES = "volume"
"""Many different whole numbers: their bytes in streams are smaller and sooner written than a dictionary."""


def parquet_bytes(table: pl.DataFrame) -> bytes:
    """The table as a Parquet file; the same table gives the same bytes."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression=COMPRESSION, compression_level=LEVEL, statistics=True)
    return buffer.getvalue()


def write_parquet(target: Path, parts: Iterable["pa.Table"]) -> tuple[str, int]:
    """Writes tables of one schema as one Parquet file and waits for the disk.

    Each part is one row group. Returns the file's SHA-256 and how many rows it has;
    the same parts give the same bytes. Raises StoreNotWritable, and what `parts` raises.
    """
    rows = 0
    with write_errors(target), target.open("wb") as file, ThreadPoolExecutor(1) as behind:
        writer = _Writer(file)
        writing: Future[None] | None = None
        for part in parts:
            if writing is not None:
                writing.result()
            # One part is compressed while the next is being made.
            writing = behind.submit(writer.write, part)
            rows += part.num_rows
        if writing is not None:
            writing.result()
        writer.close()
        file.flush()
        os.fsync(file.fileno())
    return writer.out.digest.hexdigest(), rows


class _Writer:
    """One Parquet file in the making; its schema is that of the first part."""

    def __init__(self, file: BinaryIO) -> None:
        self.out = _Hashing(file)
        self._writer: Any = None

    def write(self, part: "pa.Table") -> None:
        import pyarrow.parquet as pq

        if self._writer is None:
            # The Arrow schema would name our way of encoding; readers shall see plain text.
            self._writer = pq.ParquetWriter(
                self.out,
                part.schema,
                store_schema=False,
                compression=COMPRESSION,
                compression_level=LEVEL,
                **_encoding(part.schema),
            )
        self._writer.write_table(part, part.num_rows)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def arrow_table(rows: pl.DataFrame) -> "pa.Table":
    """A table for `write_parquet`; its tickers as a dictionary, in the order in which they come first."""
    import pyarrow as pa

    columns = {column.name: column.to_arrow(compat_level=pl.CompatLevel.oldest()) for column in rows}
    if TICKER in columns:
        columns[TICKER] = columns[TICKER].cast(pa.string()).dictionary_encode()
    return pa.table(columns)


def values(column: "pa.Array | pa.ChunkedArray") -> NDArray[Any]:
    """A column's values, without copying where it has none missing; a missing float is NaN.

    By way of Polars: pyarrow's own conversion loads pandas, which costs more than a session's checks.
    """
    return pl.Series(column).to_numpy()


def table(rows: "pa.Table") -> pl.DataFrame:
    """The inverse of `arrow_table`: tickers are text again."""
    return pl.DataFrame(rows).with_columns(pl.col(TICKER).cast(pl.String))


def _encoding(schema: "pa.Schema") -> dict[str, Any]:
    if _SPLIT_BYTES not in schema.names:
        return {}
    return {
        "write_statistics": [TICKER, "timestamp"],
        "use_dictionary": [name for name in schema.names if name != _SPLIT_BYTES],
        "column_encoding": {_SPLIT_BYTES: "BYTE_STREAM_SPLIT"},
    }


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
