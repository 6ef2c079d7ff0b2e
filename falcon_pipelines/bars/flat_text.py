"""The text of a gzipped flat file: its header, its lines in blocks, their fields, and lines as they were published.

Says nothing about what the values mean: that is the business of `falcon_pipelines.bars.validation`.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np
import polars as pl
from isal import igzip, isal_zlib
from numpy.typing import NDArray

from falcon_pipelines.bars.flat_files import CSV_SCHEMA

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_LINE = 2
"""Line 1 is the header; without quoting, each row is one line."""
Block = bytes | memoryview
_BLOCK_BYTES = 4 << 20
_MAX_HEADER_BYTES = 10_000
_MAX_LINE_BYTES = 1 << 20
_NEWLINE = b"\n"
_BROKEN = cast("tuple[type[Exception], ...]", (OSError, EOFError, isal_zlib.error))


class BrokenText(Exception):
    """The gzip data ends or goes wrong in the middle; the message says how."""


class OtherColumns(Exception):
    """The header is not the declared one; the message is what it is."""


def blocks(path: Path, *, any_columns: bool = False) -> Iterator[Block]:
    """The file's text after its header in blocks of whole lines; the next one is unpacked meanwhile.

    A block is only valid until the next one is asked for. Raises BrokenText, also for a line that is longer than any
    bar, and OtherColumns unless they may be any.
    """
    try:
        with _unzipped(path) as file, ThreadPoolExecutor(1) as ahead:
            header = file.readline(_MAX_HEADER_BYTES).decode("utf-8", "replace")
            declared = header.rstrip("\r\n").removeprefix("\ufeff") == ",".join(CSV_SCHEMA)
            if not (declared or any_columns):
                _read_on(file)
                raise OtherColumns(header[:200].rstrip("\r\n"))
            lines = _WholeLines(file)
            # Memory that was never touched costs more than the reading: two buffers take turns.
            spare, used = bytearray(2 * _BLOCK_BYTES + 1), bytearray(2 * _BLOCK_BYTES + 1)
            coming = ahead.submit(lines.into, spare)
            while block := coming.result():
                spare, used = used, spare
                coming = ahead.submit(lines.into, spare)
                yield block
    except _BROKEN as error:
        raise BrokenText(str(error) or type(error).__name__) from error


class _WholeLines:
    """Cuts a stream of text at the ends of lines."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rest = b""

    def into(self, buffer: bytearray) -> Block:
        """About a block of whole lines, in `buffer` as a rule; empty at the end of the file."""
        view, have = memoryview(buffer), len(self._rest)
        view[:have] = self._rest
        self._rest = b""
        filled = have
        while filled < have + _BLOCK_BYTES:
            count = self._file.readinto(view[filled : have + _BLOCK_BYTES])  # type: ignore[attr-defined]
            if not count:
                return _ended(bytes(view[:filled]))
            filled += count
        end = buffer.rfind(_NEWLINE, have, filled) + 1
        if not end:
            return _ended(bytes(view[:filled]) + self._rest_of_line())
        self._rest = bytes(view[end:filled])
        return view[:end]

    def _rest_of_line(self) -> bytes:
        rest = self._file.readline(_MAX_LINE_BYTES)
        if len(rest) == _MAX_LINE_BYTES:
            raise BrokenText(f"a line has more than {_MAX_LINE_BYTES:,} bytes")
        return rest


def _ended(block: bytes) -> bytes:
    """The last line of a file need not have an end."""
    return block + _NEWLINE if block and not block.endswith(_NEWLINE) else block


def _read_on(file: IO[bytes]) -> None:
    """A file cut in its header is broken rather than differently laid out: reading on tells."""
    while file.read(_BLOCK_BYTES):
        pass


def lines_in(block: Block) -> int:
    """How many lines a block has."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == _NEWLINE[0]))


def lines_at(block: Block, positions: Sequence[int] | NDArray[np.int64]) -> list[str]:
    """Those lines of a block, counted from 0, as published but for their line ends."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE[0])
    spans = ((int(ends[n - 1]) + 1 if n else 0, int(ends[n])) for n in positions)
    return [_text(bytes(block[start:end])) for start, end in spans]


def split(block: Block) -> list[str]:
    """The lines of a block, as published but for their line ends."""
    return [_text(line) for line in bytes(block).split(_NEWLINE)[:-1]]


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")


def parsed(block: Block) -> "pa.Table | None":
    """The fields of a block with CSV_SCHEMA, tickers as a dictionary; None when not every line has them all."""
    import pyarrow as pa
    from pyarrow import csv

    kinds = {
        pl.String: pa.dictionary(pa.int32(), pa.string()),
        pl.Float64: pa.float64(),
        pl.Int64: pa.int64(),
    }
    try:
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(block)),
            csv.ReadOptions(
                use_threads=False, column_names=list(CSV_SCHEMA), block_size=max(len(block) + 1, 1024)
            ),
            csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types={name: kinds[dtype] for name, dtype in CSV_SCHEMA.items()}, null_values=[]
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == lines_in(block) else None


def parsed_by_line(block: Block) -> pl.DataFrame:
    """One row for each line of a block, with CSV_SCHEMA; what is not there or not of its type is null."""
    fields = pl.Series("raw", split(block), dtype=pl.String).str.split(",").alias("fields").to_frame()
    complete = pl.col("fields").list.len() == len(CSV_SCHEMA)
    return fields.select(
        pl.when(complete)
        .then(pl.col("fields").list.get(position, null_on_oob=True))
        .replace("", None)
        .alias(name)
        for position, name in enumerate(CSV_SCHEMA)
    ).select(
        pl.col(name) if dtype == pl.String else pl.col(name).str.strip_chars(" \t").cast(dtype, strict=False)
        for name, dtype in CSV_SCHEMA.items()
    )


def raw_lines(path: Path, numbers: Sequence[int]) -> list[str]:
    """The text of those lines (counted from 1, ascending) of a file that has them."""
    found: list[str] = []
    first = FIRST_LINE
    for block in blocks(path) if numbers else ():
        after = first + lines_in(block)
        wanted = [number for number in numbers[len(found) :] if number < after]
        found += lines_at(block, [number - first for number in wanted]) if wanted else []
        first = after
        if len(found) == len(numbers):
            break
    return found


def _unzipped(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", igzip.open(path, "rb"))  # type: ignore[no-untyped-call]
