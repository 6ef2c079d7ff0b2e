"""Live minutes on disk: segment files during the day, one session file of the bar store at its end.

Each step can be repeated: a kill between any two leaves nothing that the next run does not mend.
"""

import logging
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from sqlalchemy import Double, Engine, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.files import publish, temporary_area, write_errors
from falcon_pipelines.bars.manifest import Draft, Entry
from falcon_pipelines.bars.parquet import arrow_table, write_parquet
from falcon_pipelines.bars.reading import read_table
from falcon_pipelines.bars.staging import session_path
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.validation import BAR_SCHEMA
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.models import LiveBar, LiveSession
from falcon_pipelines.errors import FalconError

log = logging.getLogger(__name__)

FOLDER = "live"
STORED = "stored"
SETTLE = timedelta(minutes=10)
"""After the close, before the session's file is made: corrections come late."""
REPLAY = "replay"
"""Bars of this source come from the bar store and need not go there."""
_LIVE = "live "
_ROWS = 50_000
_SLICE_ROWS = 500_000
_SEGMENT_SCHEMA = {**BAR_SCHEMA, "revision": pl.Int32, "sequence": pl.Int64}


class AddedMeanwhile(FalconError):
    """Somebody else added the session at the same time."""


def is_live(entry: Entry) -> bool:
    """Whether that session file was made of live bars; a published one takes its place."""
    return entry.source.startswith(_LIVE)


class LiveKeeper:
    """Keeps the live bars of one basis. `source` is the feed's name."""

    def __init__(self, store: BarStore, engine: Engine, source: str, basis: str) -> None:
        self._store = store
        self._engine = engine
        self._source = source
        self._basis = basis

    def write_segments(self) -> int:
        """Puts every live bar that is in no segment yet into one of its session; returns how many there were.

        Raises DatabaseUnavailable, StoreNotWritable.
        """
        written = 0
        while rows := self._unsegmented():
            table = pl.DataFrame(rows, schema=_SEGMENT_SCHEMA, orient="row")
            days = table.with_columns(day=pl.col("timestamp").dt.date()).partition_by("day", as_dict=True)
            sequences = table["sequence"]
            last = sequences[-1]
            with temporary_area(self._store.root) as area:
                moves = []
                for (day,), part in sorted(days.items(), key=str):
                    name = f"{day}.{sequences[0]:012}-{last:012}.parquet"
                    write_parquet(area / name, [arrow_table(part.drop("day"))])
                    moves.append((area / name, self._folder(day) / name))
                with write_errors(self._store.root):
                    publish(moves)
            with transaction(self._engine) as session:
                for (day,) in days:
                    self._note(session, day, segmented_through=last)
            written += len(rows)
        return written

    def due(self, now: datetime) -> tuple[date, ...]:
        """The sessions that are over and have segments which are not in their file yet, oldest first."""
        with transaction(self._engine) as session:
            found = session.scalars(
                select(LiveSession.session)
                .where(
                    LiveSession.basis == self._basis,
                    LiveSession.segmented_through > func.coalesce(LiveSession.compacted_through, 0),
                )
                .order_by(LiveSession.session)
            ).all()
        return tuple(day for day in found if session_open_close(day)[1] + SETTLE <= now)

    def compact(self, day: date) -> str:
        """Makes the session's file of its segments; returns what became of it, for people.

        A published file of the session stays as it is; live bars of another basis than the store's are kept
        beside it. Raises DatabaseUnavailable, StoreNotWritable, StoreDamaged, AddedMeanwhile.
        """
        with transaction(self._engine) as session:
            row = session.get_one(LiveSession, (self._basis, day))
            through, before = row.segmented_through, row.outcome
        segments = sorted(self._folder(day).glob("*.parquet"))
        outcome = self._publish(day, segments) if segments else (before or STORED)
        with transaction(self._engine) as session:
            session.execute(
                update(LiveSession)
                .where(LiveSession.basis == self._basis, LiveSession.session == day)
                .values(compacted_through=through, outcome=outcome)
            )
        shutil.rmtree(self._folder(day), ignore_errors=True)
        return outcome

    def first_unkept(self) -> date | None:
        """The oldest session whose live bars are not all in a file for good."""
        with transaction(self._engine) as session:
            waiting = session.scalar(
                select(func.min(LiveSession.session)).where(
                    LiveSession.basis == self._basis,
                    LiveSession.segmented_through > func.coalesce(LiveSession.compacted_through, 0),
                )
            )
            loose = session.scalar(
                select(func.min(LiveBar.starts_at)).where(
                    LiveBar.sequence > self._segmented(session),
                    LiveBar.basis == self._basis,
                    LiveBar.source != REPLAY,
                )
            )
        days = [waiting, loose.astimezone(UTC).date() if loose else None]
        return min((day for day in days if day is not None), default=None)

    def _publish(self, day: date, segments: Sequence[Path]) -> str:
        log_now = self._store.log()
        if log_now.basis not in (None, self._basis):
            return self._beside(day, segments, f"kept beside the store, which holds {log_now.basis} bars")
        entry = log_now.sessions("minute").get(day)
        if entry is not None and not is_live(entry):
            return f"the published file of {entry.source} is in the store"
        with temporary_area(self._store.root) as area:
            target = area / f"{day}.parquet"
            sha256, rows = write_parquet(target, map(arrow_table, self._newest(segments, entry)))
            draft = Draft(
                kind="bars",
                source=_LIVE + self._source,
                basis=self._basis,
                etag=f"live-{sha256[:32]}",
                sha256=sha256,
                path=session_path("minute", day, sha256, sha256),
                rows=rows,
                frequency="minute",
                session=day,
            )
            with self._store.adding() as batch:
                if batch.log.sessions("minute").get(day) != entry:
                    raise AddedMeanwhile(f"{day}: the bar store got other minutes meanwhile; try again")
                for made in batch.append([draft]):
                    publish([(target, self._store.root / made.path)])
        return STORED

    def _beside(self, day: date, segments: Sequence[Path], outcome: str) -> str:
        target = self._store.root / FOLDER / self._basis / f"{day}.parquet"
        kept = [target] if target.exists() else []
        with temporary_area(self._store.root) as area:
            write_parquet(area / target.name, map(arrow_table, self._newest([*kept, *segments], None)))
            with write_errors(target):
                publish([(area / target.name, target)])
        return outcome

    def _newest(self, segments: Sequence[Path], before: Entry | None) -> Iterator[pl.DataFrame]:
        """The last word on each minute, by ticker and time, some tickers at a time."""
        lowest = {"revision": pl.lit(-1, pl.Int32), "sequence": pl.lit(0, pl.Int64)}
        scans = [pl.scan_parquet(path) for path in segments]
        scans = [
            scan if "revision" in scan.collect_schema() else scan.with_columns(**lowest) for scan in scans
        ]
        if before is not None:
            scans.append(read_table(self._store.root, before.path).lazy().with_columns(**lowest))
        everything = pl.concat(scans)
        counts = everything.group_by("ticker").len().sort("ticker").collect()
        for tickers in _slices(counts):
            yield (
                everything.filter(pl.col("ticker").is_in(tickers))
                .collect()
                .sort("ticker", "timestamp", "revision")
                .unique(["ticker", "timestamp"], keep="last", maintain_order=True)
                .select(*BAR_SCHEMA)
            )

    def _folder(self, day: date) -> Path:
        return self._store.root / FOLDER / self._basis / str(day)

    def _segmented(self, session: Session) -> int:
        return (
            session.scalar(
                select(func.max(LiveSession.segmented_through)).where(LiveSession.basis == self._basis)
            )
            or 0
        )

    def _unsegmented(self) -> Sequence[Sequence[object]]:
        with transaction(self._engine) as session:
            after = self._segmented(session)
            prices = (
                cast(getattr(LiveBar, name), Double) for name in ("open", "high", "low", "close", "volume")
            )
            return session.execute(
                select(
                    LiveBar.ticker,
                    LiveBar.starts_at,
                    *prices,
                    cast(0, LiveBar.sequence.type),
                    LiveBar.revision,
                )
                .add_columns(LiveBar.sequence)
                .where(LiveBar.sequence > after, LiveBar.basis == self._basis, LiveBar.source != REPLAY)
                .order_by(LiveBar.sequence)
                .limit(_ROWS)
            ).all()

    def _note(self, session: Session, day: date, *, segmented_through: int) -> None:
        statement = insert(LiveSession).values(
            basis=self._basis, session=day, segmented_through=segmented_through
        )
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["basis", "session"], set_={"segmented_through": segmented_through}
            )
        )


def _slices(counts: pl.DataFrame) -> Iterator[list[str]]:
    """Neighbouring tickers that have about _SLICE_ROWS rows together."""
    piece: list[str] = []
    rows = 0
    for ticker, length in counts.iter_rows():
        piece.append(ticker)
        rows += length
        if rows >= _SLICE_ROWS:
            yield piece
            piece, rows = [], 0
    if piece:
        yield piece
