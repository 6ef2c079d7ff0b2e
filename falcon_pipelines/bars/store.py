"""The bar store: immutable session files in Parquet, read at any version, adjusted on the way out.

Reading needs only the folder; adding needs PostgreSQL too. Where bars come from and how they are checked is
elsewhere.
"""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import Engine

from falcon_pipelines.bars import adjust as adjustment
from falcon_pipelines.bars import history
from falcon_pipelines.bars.actions import CorporateAction, as_actions, merged, no_actions, ordered
from falcon_pipelines.bars.calendar import midnight
from falcon_pipelines.bars.files import publish, temporary_area, write_errors, write_synced
from falcon_pipelines.bars.flat_files import SYNTHETIC, RemoteFile
from falcon_pipelines.bars.manifest import Draft, Entry, Log, Manifest
from falcon_pipelines.bars.panel import FIELDS, Adjust, Frequency, Panel
from falcon_pipelines.bars.validation import CheckedFile, parquet_bytes
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.manifest import tail
from falcon_pipelines.errors import FalconError, InputError

BARS = "bars"
ACTIONS = "actions"


class UnknownTicker(InputError):
    """The store has no bar of that ticker."""


class NoBars(InputError):
    """The store is empty, or has nothing of the session asked for."""


class StoreDamaged(FalconError):
    """A file the manifest names is gone or cannot be read."""


class ReadOnlyStore(FalconError):
    """Something is to be added to a store that was opened without a database."""


@dataclass(frozen=True)
class Staged:
    """A checked session in temporary files, ready to be published and logged."""

    draft: Draft
    moves: tuple[tuple[Path, Path], ...]


class BarStore:
    """The bar store at `root`; with `engine`, bars can be added.

    Opening with an engine brings the manifest in PostgreSQL and its mirror on disk to the same state. Raises
    DatabaseUnavailable, ManifestForked, StoreNotWritable.
    """

    def __init__(self, root: Path, engine: Engine | None = None) -> None:
        self.root = root
        self.manifest = Manifest(root)
        self._engine = engine
        self._tickers: tuple[str, tuple[str, ...]] | None = None
        if engine is not None:
            with transaction(engine) as session:  # answers before anything is written
                tail(session)
            self.manifest.reconcile(engine)

    # Versions

    def log(self, version: str | None = None) -> Log:
        """The manifest up to `version`, None for now. Raises UnknownVersion, ManifestDamaged."""
        return self.manifest.read().at(version)

    def current_version(self) -> str:
        """Id of all that is in the store now; reading with it later gives the same bytes."""
        return self.log().version

    def sessions(self, frequency: Frequency = "day", version: str | None = None) -> tuple[date, ...]:
        """The sessions that have bars, in order."""
        return tuple(self.log(version).sessions(frequency))

    def tickers(self, version: str | None = None) -> tuple[str, ...]:
        """All tickers with a bar of any frequency, sorted."""
        log = self.log(version)
        if self._tickers is None or self._tickers[0] != log.version:
            found: set[str] = set()
            for frequency in ("day", "minute"):
                sessions = log.sessions(frequency)
                if sessions:
                    scan = self._read(log, frequency, min(sessions), max(sessions), None, ("ticker",))
                    found.update(scan["ticker"].unique())
            self._tickers = log.version, tuple(sorted(found))
        return self._tickers[1]

    def is_synthetic(self, version: str | None = None) -> bool:
        """Whether the bars are made up."""
        return self.log(version).basis == SYNTHETIC

    # Reading

    def panel(
        self,
        tickers: Sequence[str] | None,
        start: date,
        end: date,
        fields: Sequence[str] = FIELDS,
        adjust: Adjust = "none",
        as_of: date | None = None,
        version: str | None = None,
        frequency: Frequency = "day",
    ) -> Panel:
        """Bars of `tickers` (None: all) from session `start` to `end`, both included, aligned by time.

        Adjusted prices need `as_of`: only actions with an ex-date up to it count. Times at which none of the
        tickers has a bar are left out. Raises UnknownTicker naming the nearest known ones, AsOfRequired,
        UnknownVersion, NoBars.
        """
        adjustment.require_as_of(adjust, as_of)
        unknown_fields = [name for name in fields if name not in FIELDS]
        if unknown_fields:
            raise InputError(f"no field {unknown_fields[0]!r}; bars have {', '.join(FIELDS)}")
        log = self.log(version)
        self._require_bars(log, frequency)
        bars = self._read(log, frequency, start, end, tickers, ("ticker", "timestamp", *fields))
        names = tuple(tickers) if tickers is not None else tuple(bars["ticker"].unique().sort())
        present = set(bars["ticker"].unique())
        self._require_known([name for name in names if name not in present], version)
        panel = _aligned(bars, names, fields, frequency, log)
        if adjust == "none" or as_of is None:
            return panel
        actions = self._actions(log).filter(pl.col("ticker").is_in(list(names)))
        actions = adjustment.applicable(actions, adjust, as_of).filter(pl.col("ex_date") > start)
        closes = self._closes_before(log, frequency, actions.filter(kind="dividend"), start)
        return adjustment.adjusted(panel, adjustment.factors(actions, closes), adjust, as_of)

    def history(
        self,
        ticker: str,
        start: date,
        end: date,
        adjust: Adjust = "none",
        as_of: date | None = None,
        version: str | None = None,
        frequency: Frequency = "day",
    ) -> pl.DataFrame:
        """One ticker's bars: columns timestamp (UTC) and FIELDS, in time order. Raises as `panel`."""
        panel = self.panel([ticker], start, end, FIELDS, adjust, as_of, version, frequency)
        columns = {"timestamp": pl.Series(panel.timestamps).dt.replace_time_zone("UTC")}
        return pl.DataFrame(columns | {name: pl.Series(panel[name][:, 0]) for name in FIELDS})

    @staticmethod
    def rows_of(panel: Panel) -> list[dict[str, Any]]:
        """The bars of a panel of one ticker as rows: timestamp (UTC) and its fields, in time order."""
        times = pl.Series(panel.timestamps).dt.replace_time_zone("UTC").to_list()
        return [
            {"timestamp": time, **{name: float(panel[name][row, 0]) for name in panel.fields}}
            for row, time in enumerate(times)
        ]

    def cross_section(
        self, session: date, version: str | None = None, frequency: Frequency = "day"
    ) -> pl.DataFrame:
        """All raw bars of one session: ticker, timestamp (UTC), FIELDS, transactions. Raises NoBars."""
        entry = self.log(version).sessions(frequency).get(session)
        if entry is None:
            raise NoBars(
                f"{self.root} has no {frequency} bars of {session}; run `falcon ingest {frequency}` for it"
            )
        return self._table(entry)

    def quarantined(
        self, session: date, version: str | None = None, frequency: Frequency = "day"
    ) -> pl.DataFrame:
        """The lines of that session's file that were not used: line, raw, rule, etag. Raises NoBars."""
        entry = self.log(version).sessions(frequency).get(session)
        if entry is None:
            raise NoBars(
                f"{self.root} has no {frequency} bars of {session}; run `falcon ingest {frequency}` for it"
            )
        return (
            pl.read_parquet(self.root / quarantine_path(entry.path)) if entry.quarantined else pl.DataFrame()
        )

    def actions(self, version: str | None = None) -> pl.DataFrame:
        """All corporate actions, with ACTION_SCHEMA."""
        return self._actions(self.log(version))

    def corporate_actions(
        self, tickers: Sequence[str], start: date, end: date, version: str | None = None
    ) -> tuple[CorporateAction, ...]:
        """The actions of `tickers` with an ex-date from `start` to `end`, by ticker and date."""
        wanted = pl.col("ticker").is_in(list(tickers)) & pl.col("ex_date").is_between(start, end)
        return as_actions(self.actions(version).filter(wanted))

    def _actions(self, log: Log) -> pl.DataFrame:
        entry = log.latest("actions")
        return no_actions() if entry is None else self._table(entry)

    def _require_bars(self, log: Log, frequency: Frequency) -> None:
        if not log.sessions(frequency):
            raise NoBars(f"{self.root} has no {frequency} bars; run `falcon ingest {frequency}` first")

    def _require_known(self, names: Sequence[str], version: str | None) -> None:
        if not names:
            return
        known = self.tickers(version)
        unknown = [name for name in names if name not in set(known)]
        if unknown:
            nearest = difflib.get_close_matches(unknown[0].upper(), known, n=3, cutoff=0.5)
            hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
            raise UnknownTicker(f"{unknown[0]}: no bars of this ticker in {self.root}{hint}")

    def _table(self, entry: Entry) -> pl.DataFrame:
        try:
            return pl.read_parquet(self.root / entry.path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _damaged(self.root / entry.path, error) from error

    def _read(
        self,
        log: Log,
        frequency: Frequency,
        start: date,
        end: date,
        tickers: Sequence[str] | None,
        columns: Sequence[str],
    ) -> pl.DataFrame:
        """Bars of those sessions, from the derived tier where it has them."""
        try:
            return self._collect(self._paths(log, frequency, start, end), start, end, tickers, columns)
        except FileNotFoundError:
            # A derived file was replaced since we looked: the session files are always there.
            paths = [self.root / entry.path for entry in _between(log.sessions(frequency), start, end)]
        try:
            return self._collect(paths, start, end, tickers, columns)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _damaged(self.root, error) from error

    def _paths(self, log: Log, frequency: Frequency, start: date, end: date) -> list[Path]:
        paths: list[Path] = []
        for name, entries in history.periods(log, frequency).items():
            wanted = _between(entries, start, end)
            if not wanted:
                continue
            derived = history.file_of(self.root, frequency, name, entries)
            if len(wanted) > 1 and derived.exists():
                paths.append(derived)
            else:
                paths += [self.root / entry.path for entry in wanted]
        return paths

    def _collect(
        self, paths: list[Path], start: date, end: date, tickers: Sequence[str] | None, columns: Sequence[str]
    ) -> pl.DataFrame:
        if not paths:
            return pl.DataFrame(schema={name: BAR_DTYPES[name] for name in columns})
        first, after = midnight(start), midnight(end + timedelta(days=1))
        wanted = (pl.col("timestamp") >= first) & (pl.col("timestamp") < after)
        if tickers is not None:
            wanted &= pl.col("ticker").is_in(list(tickers))
        return pl.scan_parquet(paths).filter(wanted).select(columns).collect()

    def _closes_before(
        self, log: Log, frequency: Frequency, dividends: pl.DataFrame, start: date
    ) -> dict[tuple[str, date], float]:
        """The last raw close before each dividend's ex-date, from day bars where there are any."""
        if dividends.is_empty():
            return {}
        tickers = dividends["ticker"].unique().to_list()
        last = dividends["ex_date"].max()
        closes = pl.concat(
            self._read(log, of, start, last, tickers, ("ticker", "timestamp", "close")).with_columns(  # type: ignore[arg-type]
                day=pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.date(), rank=pl.lit(rank)
            )
            for rank, of in enumerate(("minute", "day"))
            if of in (frequency, "day") and log.sessions(of)  # type: ignore[arg-type]
        ).sort("day", "rank", "timestamp")
        matched = dividends.sort("ex_date").join_asof(
            closes.with_columns(after=pl.col("day").dt.offset_by("1d")).sort("after", "rank", "timestamp"),
            left_on="ex_date",
            right_on="after",
            by="ticker",
            strategy="backward",
            check_sortedness=False,
        )
        found = matched.filter(pl.col("close").is_not_null())
        return {(row["ticker"], row["ex_date"]): row["close"] for row in found.iter_rows(named=True)}

    # Adding

    def stage(self, area: Path, checked: CheckedFile, file: RemoteFile, source: str, basis: str) -> Staged:
        """Writes a checked session into temporary files below `area`, durable but not yet visible."""
        content = parquet_bytes(checked.good)
        sha256 = hashlib.sha256(content).hexdigest()
        # Two files with equal bars may have different bad lines, so the ETag is part of the name.
        key = hashlib.sha256(f"{file.etag}\n{sha256}".encode()).hexdigest()[:16]
        path = f"{BARS}/{file.frequency}/{file.session:%Y}/{file.session}.{key}.parquet"
        contents = [(self.root / path, content)]
        if checked.quarantined.height:
            contents.append((self.root / quarantine_path(path), parquet_bytes(checked.quarantined)))
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

    def commit(self, staged: Sequence[Staged]) -> tuple[Entry, ...]:
        """Makes staged files visible together; returns the entries added, fewer where nothing was new.

        Raises DatabaseUnavailable, MixedBases, StoreNotWritable: then nothing is visible.
        """
        with self.manifest.writing(self._writer()) as batch:
            made = batch.append([item.draft for item in staged])
            paths = {self.root / entry.path for entry in made}
            publish(move for item in staged if self.root / item.draft.path in paths for move in item.moves)
        return made

    def add_actions(self, actions: pl.DataFrame, source: str, etag: str) -> Entry | None:
        """Adds corporate actions (ACTION_SCHEMA): they replace all former ones of the tickers they name.

        Returns None when that changes nothing. Raises as `commit`.
        """
        engine = self._writer()
        with temporary_area(self.root) as area, self.manifest.writing(engine) as batch:
            present = self._actions(batch.log)
            table = merged(present, actions)
            if batch.log.latest("actions") is not None and table.equals(ordered(present)):
                return None
            content = parquet_bytes(table)
            sha256 = hashlib.sha256(content).hexdigest()
            target = self.root / ACTIONS / f"{sha256[:16]}.parquet"
            with write_errors(target):
                write_synced(area / target.name, content)
                publish([(area / target.name, target)])
            made = batch.append(
                [
                    Draft(
                        kind="actions",
                        source=source,
                        basis="issuer",
                        # The table, not the file, is what is new: one file may be added after another and again.
                        etag=f"{etag}/{sha256[:16]}",
                        sha256=sha256,
                        path=f"{ACTIONS}/{target.name}",
                        rows=table.height,
                    )
                ]
            )
        return made[0] if made else None

    def build_history(
        self, frequency: Frequency, start: date | None = None, end: date | None = None
    ) -> tuple[Path, ...]:
        """Makes missing files of the derived tier for the periods from `start` to `end`; returns those made."""
        log = self.log()
        only = {
            history.period(frequency, session)
            for session in log.sessions(frequency)
            if (start is None or session >= start) and (end is None or session <= end)
        }
        with temporary_area(self.root) as area:
            return history.build(self.root, area, log, frequency, only)

    def _writer(self) -> Engine:
        if self._engine is None:
            raise ReadOnlyStore(f"{self.root} was opened for reading; adding bars needs PostgreSQL")
        return self._engine


BAR_DTYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "ticker": pl.String,
    "timestamp": pl.Datetime("ns", "UTC"),
    **dict.fromkeys(FIELDS, pl.Float64),
}


def quarantine_path(path: str) -> str:
    """Where the bad lines of the session file `path` are."""
    return path.removesuffix(".parquet") + ".quarantine.parquet"


def _between(entries: dict[date, Entry], start: date, end: date) -> list[Entry]:
    return [entry for session, entry in entries.items() if start <= session <= end]


def _damaged(path: Path, error: Exception) -> StoreDamaged:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return StoreDamaged(f"{path}: cannot be read ({reason}); restore it from the backup")


def _aligned(
    bars: pl.DataFrame, names: tuple[str, ...], fields: Sequence[str], frequency: Frequency, log: Log
) -> Panel:
    moments = bars["timestamp"].dt.replace_time_zone(None).to_numpy().astype("datetime64[ns]")
    timestamps, rows = np.unique(moments, return_inverse=True)
    columns = (
        bars["ticker"].replace_strict(list(names), list(range(len(names))), return_dtype=pl.Int64).to_numpy()
        if names
        else np.empty(0, dtype=np.int64)
    )
    arrays = {}
    for name in fields:
        array = np.full((len(timestamps), len(names)), np.nan)
        array[rows, columns] = bars[name].to_numpy()
        arrays[name] = array
    return Panel(timestamps, names, arrays, frequency, log.version, synthetic=log.basis == SYNTHETIC)
