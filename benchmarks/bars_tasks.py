"""What the benchmarks of bars measure: each task prepares, yields, and does the timed work."""

import gzip
import os
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

FIRST, LAST = date(2021, 1, 4), date(2025, 12, 31)
CLOSE = ("close",)


def falcon_minute_day(flat_file: str, session: str) -> Iterator[None]:
    """One minute day: read, checked, bad rows quarantined, written and synced."""
    import pyarrow.parquet  # noqa: F401 - imports are not timed

    from falcon_pipelines.bars.flat_files import RemoteFile
    from falcon_pipelines.bars.staging import stage

    day = date.fromisoformat(session)
    path = Path(flat_file)
    file = RemoteFile(day, "minute", path.name, "etag", path.stat().st_size)
    with tempfile.TemporaryDirectory(dir=path.parent) as area:
        yield
        staged = stage(Path(area), Path(area), path, file, "benchmark", "benchmark")
    assert staged.draft.quarantined == 5


def pandas_minute_day(flat_file: str, session: str) -> Iterator[None]:
    """The same file through pandas, checking nothing."""
    import pandas as pd

    with tempfile.TemporaryDirectory(dir=Path(flat_file).parent) as area:
        yield
        pd.read_csv(flat_file, keep_default_na=False).to_parquet(
            Path(area) / "bars.parquet", compression="zstd"
        )


def gunzip(flat_file: str) -> Iterator[None]:
    """The least it can take: decompression."""
    yield
    with gzip.open(flat_file, "rb") as file:
        while file.read(1 << 20):
            pass


def write_and_sync(content: str) -> Iterator[None]:
    """The least it can take: writing the result's bytes and waiting for the disk."""
    data = Path(content).read_bytes()
    with tempfile.NamedTemporaryFile(dir=Path(content).parent) as file:
        yield
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def falcon_history(root: str, tickers: str) -> Iterator[None]:
    """Closes of some tickers over five years."""
    from falcon_pipelines.bars.store import BarStore

    store = BarStore(Path(root))
    store.current_version()
    yield
    panel = store.panel(tickers.split(","), FIRST, LAST, CLOSE)
    assert panel["close"].shape[1] == len(tickers.split(","))


def pandas_history(folder: str, tickers: str) -> Iterator[None]:
    """The same from one pandas file per date."""
    import pandas as pd

    wanted = set(tickers.split(","))
    yield
    rows = {}
    for path in sorted(Path(folder).glob("*.parquet")):
        frame = pd.read_parquet(path, columns=["ticker", "close"])
        rows[path.stem] = frame[frame["ticker"].isin(wanted)].set_index("ticker")["close"]
    assert pd.DataFrame(rows).T.shape[1] == len(wanted)


def read_history(root: str, tickers: str) -> Iterator[None]:
    """The least it can take: reading the bytes of the columns and row groups that have those tickers."""
    import pyarrow.parquet as pq

    wanted = tickers.split(",")
    spans = []
    for path in sorted(Path(root).glob("history/day/*.parquet")):
        metadata = pq.read_metadata(path)
        for group in (metadata.row_group(n) for n in range(metadata.num_row_groups)):
            columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
            range_ = columns["ticker"].statistics
            if any(range_.min <= ticker <= range_.max for ticker in wanted):
                needed = (columns[name] for name in ("ticker", "timestamp", *CLOSE))
                spans += [
                    (
                        path,
                        column.dictionary_page_offset or column.data_page_offset,
                        column.total_compressed_size,
                    )
                    for column in needed
                ]
    yield
    for path, offset, size in spans:
        with path.open("rb") as file:
            assert len(os.pread(file.fileno(), size, offset)) == size


def falcon_cross_section(root: str, session: str) -> Iterator[None]:
    """The whole market on one day."""
    from falcon_pipelines.bars.store import BarStore

    store = BarStore(Path(root))
    store.current_version()
    yield
    assert store.cross_section(date.fromisoformat(session)).height > 0


def read_cross_section(root: str, session: str) -> Iterator[None]:
    """The least it can take: reading the session's file."""
    (path,) = Path(root).glob(f"bars/day/*/{session}.*.parquet")
    yield
    path.read_bytes()


def pandas_cross_section(folder: str, session: str) -> Iterator[None]:
    """The same from one pandas file per date."""
    import pandas as pd

    yield
    assert len(pd.read_parquet(Path(folder) / f"{session}.parquet")) > 0


def read_flat_file(flat_files: str, session: str) -> Iterator[None]:
    """The least it can take: reading the file once to see that it is the same."""
    (path,) = Path(flat_files).rglob(f"{session}.csv.gz")
    yield
    path.read_bytes()


def unchanged_session(root: str, flat_files: str, database_url: str, session: str) -> Iterator[None]:
    """Ingesting a session again whose file has not changed."""
    from falcon_pipelines.bars import calendar
    from falcon_pipelines.bars.flat_files import DirectorySource
    from falcon_pipelines.bars.ingest import ingest_session
    from falcon_pipelines.bars.store import BarStore
    from falcon_pipelines.db.engine import database_engine

    calendar.first_session()
    store = BarStore(Path(root), database_engine(database_url))
    yield
    assert (
        ingest_session(DirectorySource(Path(flat_files)), store, "day", date.fromisoformat(session)).status
        == "unchanged"
    )
