"""The bar store: immutable session files in Parquet, read at any version, adjusted on the way out.

Reading needs only the folder; adding needs PostgreSQL too. Where bars come from and how they are checked is
elsewhere.
"""

import difflib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl
from sqlalchemy import Engine

from falcon_pipelines.bars import adjust as adjustment
from falcon_pipelines.bars import history
from falcon_pipelines.bars.actions import CorporateAction, as_actions, no_actions
from falcon_pipelines.bars.actions import merged as actions_merged
from falcon_pipelines.bars.files import publish, temporary_area, write_errors, write_synced
from falcon_pipelines.bars.flat_files import SYNTHETIC
from falcon_pipelines.bars.manifest import Batch, Draft, Entry, Log, Manifest
from falcon_pipelines.bars.panel import FIELDS, Adjust, Frequency, Panel
from falcon_pipelines.bars.parquet import parquet_bytes
from falcon_pipelines.bars.reading import Names, aligned, read_bars, read_table
from falcon_pipelines.bars.securities import all_segments, no_securities, segments, ticker_of
from falcon_pipelines.bars.securities import merged as securities_merged
from falcon_pipelines.bars.staging import Staged, quarantine_path
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.manifest import tail
from falcon_pipelines.errors import FalconError, InputError


class UnknownTicker(InputError):
    """The store has no bar of that ticker."""


class NoBars(InputError):
    """The store is empty, or has nothing of the session asked for."""


class ReadOnlyStore(FalconError):
    """Something is to be added to a store that was opened without a database."""


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
        """All tickers with a bar of any frequency, as published, sorted."""
        log = self.log(version)
        if self._tickers is None or self._tickers[0] != log.version:
            found: set[str] = set()
            for frequency in get_args(Frequency):
                sessions = log.sessions(frequency)
                if sessions:
                    first, last = min(sessions), max(sessions)
                    bars = read_bars(self.root, log, frequency, first, last, ("ticker",), Names())
                    found.update(bars["ticker"].unique())
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
        names = self._names(log, tickers, end)
        bars = read_bars(self.root, log, frequency, start, end, ("ticker", "timestamp", *fields), names)
        present = set(bars["ticker"].unique())
        labels = tuple(sorted(present)) if tickers is None else tuple(dict.fromkeys(tickers))
        self._require_known([label for label in labels if label not in present], version)
        panel = aligned(bars, labels, fields, frequency, log)
        if adjust == "none" or as_of is None:
            return panel
        actions = names.label(self._actions(log), "ex_date").filter(pl.col("ticker").is_in(labels))
        actions = adjustment.applicable(actions, adjust, as_of).filter(pl.col("ex_date") > start)
        closes = self._closes_before(log, frequency, actions.filter(kind="dividend"), start, names)
        return adjustment.adjusted(panel, adjustment.factors(actions, closes), adjust, as_of)

    def _names(self, log: Log, tickers: Sequence[str] | None, end: date) -> Names:
        table = self._securities(log)
        if tickers is None:
            return Names(all_segments(table, end))
        return Names(segments(table, list(dict.fromkeys(tickers)), end), others=False)

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

    def table(
        self,
        start: date,
        end: date,
        columns: Sequence[str] = ("ticker", "timestamp", *FIELDS),
        tickers: Sequence[str] | None = None,
        version: str | None = None,
        frequency: Frequency = "day",
    ) -> pl.DataFrame:
        """Raw bars from session `start` to `end` in rows of `columns` (of BAR_SCHEMA), in no particular order.

        Unlike a panel it may be empty. Raises UnknownVersion.
        """
        log = self.log(version)
        return read_bars(self.root, log, frequency, start, end, columns, self._names(log, tickers, end))

    def cross_section(
        self, session: date, version: str | None = None, frequency: Frequency = "day"
    ) -> pl.DataFrame:
        """All raw bars of one session: ticker, timestamp (UTC), FIELDS, transactions. Raises NoBars."""
        entry = self.log(version).sessions(frequency).get(session)
        if entry is None:
            raise NoBars(
                f"{self.root} has no {frequency} bars of {session}; run `falcon ingest {frequency}` for it"
            )
        return read_table(self.root, entry.path)

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

    def securities(self, version: str | None = None) -> pl.DataFrame:
        """Who each known ticker was when, with SECURITY_SCHEMA."""
        return self._securities(self.log(version))

    def appeared(self) -> frozenset[str]:
        """The tickers of the newest session that the first one did not have: listed, renamed or reused since."""
        sessions = self.sessions()
        if not sessions:
            return frozenset()
        first, last = (set(self.cross_section(session)["ticker"]) for session in (sessions[0], sessions[-1]))
        return frozenset(last - first)

    def _securities(self, log: Log) -> pl.DataFrame:
        entry = log.latest("securities")
        return no_securities() if entry is None else read_table(self.root, entry.path)

    def _actions(self, log: Log) -> pl.DataFrame:
        entry = log.latest("actions")
        return no_actions() if entry is None else read_table(self.root, entry.path)

    def _require_bars(self, log: Log, frequency: Frequency) -> None:
        if not log.sessions(frequency):
            raise NoBars(f"{self.root} has no {frequency} bars; run `falcon ingest {frequency}` first")

    def _require_known(self, names: Sequence[str], version: str | None) -> None:
        if not names:
            return
        known = self.tickers(version)
        unknown = [name for name in names if ticker_of(name) not in set(known)]
        if unknown:
            nearest = difflib.get_close_matches(unknown[0].upper(), known, n=3, cutoff=0.5)
            hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
            raise UnknownTicker(f"{unknown[0]}: no bars of this ticker in {self.root}{hint}")

    def _closes_before(
        self, log: Log, frequency: Frequency, dividends: pl.DataFrame, start: date, names: Names
    ) -> dict[tuple[str, date], float]:
        """The last raw close before each dividend's ex-date, from day bars where there are any."""
        if dividends.is_empty():
            return {}
        if not names.others:
            paying = set(dividends["ticker"])
            names = Names(tuple(item for item in names.segments if item.label in paying), others=False)
        last = max(dividends["ex_date"])
        columns = ("ticker", "timestamp", "close")
        series: tuple[Frequency, ...] = ("day",) if frequency == "day" else ("minute", "day")
        closes = pl.concat(
            read_bars(self.root, log, of, start, last, columns, names).with_columns(
                day=pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.date(), rank=pl.lit(rank)
            )
            for rank, of in enumerate(series)
        )
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

    def commit(self, staged: Sequence[Staged]) -> tuple[Entry, ...]:
        """Makes staged files visible together; returns the entries added, fewer where nothing was new.

        Raises DatabaseUnavailable, MixedBases, StoreNotWritable: then nothing is visible.
        """
        with self.adding() as batch:
            made = batch.append([item.draft for item in staged])
            paths = {self.root / entry.path for entry in made}
            publish(move for item in staged if self.root / item.draft.path in paths for move in item.moves)
        return made

    def add_actions(
        self, actions: pl.DataFrame, source: str, etag: str, since: date | None = None
    ) -> Entry | None:
        """Adds corporate actions (ACTION_SCHEMA): they replace former ones of the tickers they name.

        With `since`, only those with an ex-date from then on. Returns None when that changes nothing. Raises as `commit`.
        """
        return self._add_table(
            "actions", source, etag, lambda log: actions_merged(self._actions(log), actions, since)
        )

    def add_securities(self, securities: pl.DataFrame, source: str, etag: str) -> Entry | None:
        """Adds securities (SECURITY_SCHEMA): they replace all former intervals of the ids they name.

        Returns None when that changes nothing. Raises BadSecuritiesFile, and as `commit`.
        """
        return self._add_table(
            "securities", source, etag, lambda log: securities_merged(self._securities(log), securities)
        )

    def _add_table(
        self,
        kind: Literal["actions", "securities"],
        source: str,
        etag: str,
        make: Callable[[Log], pl.DataFrame],
    ) -> Entry | None:
        with temporary_area(self.root) as area, self.adding() as batch:
            table = make(batch.log)
            content = parquet_bytes(table)
            sha256 = hashlib.sha256(content).hexdigest()
            present = batch.log.latest(kind)
            if present is not None and present.sha256 == sha256:
                return None
            path = f"{kind}/{sha256[:16]}.parquet"
            target = self.root / path
            with write_errors(target):
                write_synced(area / target.name, content)
                publish([(area / target.name, target)])
            # The table, not the file, is what is new: one file may be added after another, and again.
            draft = Draft(kind, source, "reference", f"{etag}/{sha256[:16]}", sha256, path, table.height)
            return batch.append([draft])[0]

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

    @contextmanager
    def adding(self) -> Iterator[Batch]:
        """The right to add to the store, one process at a time; what was added counts when the block ends well.

        Raises ReadOnlyStore, DatabaseUnavailable, ManifestForked, StoreNotWritable.
        """
        if self._engine is None:
            raise ReadOnlyStore(f"{self.root} was opened for reading; adding needs PostgreSQL")
        with self.manifest.writing(self._engine) as batch:
            yield batch
