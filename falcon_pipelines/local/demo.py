"""The whole road once, on seeded synthetic bars and bundled transcripts: no keys, no network.

Every step is a Dagster run, visible in the UI afterwards. What is there already is not made again, so a demo
that was killed goes on where it stopped.
"""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import dagster as dg
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.bars.flat_files import SYNTHETIC, DirectorySource, synthetic_parameters
from falcon_pipelines.bars.report import report_store
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import ACTIONS_FILE, write_synthetic_flat_files
from falcon_pipelines.checks import ALL_CHECKS
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.definitions import defs
from falcon_pipelines.errors import InputError
from falcon_pipelines.local.orphans import fail_orphaned_runs, process_tag
from falcon_pipelines.local.stack import SYNTHETIC_FOLDER, Stack
from falcon_pipelines.partitions import profiles, screen_key, strategy_specs, videos
from falcon_pipelines.profiles.documents import bundled_profiles
from falcon_pipelines.reports import report_dagster
from falcon_pipelines.settings import Settings
from falcon_pipelines.strategies.transcripts import bundled_transcripts

TICKERS = 200
SESSIONS = 750
PAPER_SESSIONS = 60
MINUTE_SESSIONS = 2
"""Sessions after the day bars, minute by minute, for the replay."""
SESSIONS_A_RUN = 125
FIRST_SESSION = date(2023, 1, 3)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do."""


class RealBarsPresent(InputError):
    """The demo's made-up bars must not be mixed with real ones."""


@dataclass(frozen=True)
class Step:
    """One stretch of the road."""

    title: str
    run: Callable[[Progress], None]


class Demo:
    """The demo in one FALCON_HOME, whose services' databases are `stack`'s."""

    def __init__(self, settings: Settings, stack: Stack, seed: int) -> None:
        self.folder = settings.home / SYNTHETIC_FOLDER
        self.store_root = settings.market_data
        self.seed = seed
        self.engine: Engine = database_engine(stack.database_url)
        self._refuse_real_bars()
        self._compiler = _compile_beside()
        os.environ["FALCON_SOURCE"] = "directory"
        os.environ["FALCON_FLATFILES_DIR"] = str(self.folder)
        os.environ["FALCON_HISTORY_START"] = str(FIRST_SESSION)

    @property
    def steps(self) -> tuple[Step, ...]:
        """What `falcon demo` does, in order."""
        return (
            Step("Synthetic flat files", self.write_flat_files),
            Step("Day and minute bars", self.ingest),
            Step("Screening", self.screen),
            Step("Transcripts to strategy specs", self.study),
            Step("Backtests and verdicts", self.judge),
            Step("Paper trades", self.trade),
            Step("Reports to the dashboard", self.report),
        )

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """The Dagster instance whose runs these are."""
        instance = dg.DagsterInstance.get()
        fail_orphaned_runs(instance)
        return instance

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session on the application database."""
        with transaction(self.engine) as session:
            yield session

    @property
    def store(self) -> BarStore:
        """The bar store the demo fills."""
        return BarStore(self.store_root)

    def write_flat_files(self, progress: Progress) -> None:
        """The source: seeded flat files with every oddity real ones have."""
        wanted = {
            "tickers": TICKERS,
            "sessions": SESSIONS,
            "seed": self.seed,
            "start": str(FIRST_SESSION),
            "minute_sessions": MINUTE_SESSIONS,
        }
        present = synthetic_parameters(self.folder) or {}
        if {name: present.get(name) for name in wanted} != wanted:
            shutil.rmtree(self.folder, ignore_errors=True)
            write_synthetic_flat_files(
                self.folder, TICKERS, SESSIONS, self.seed, FIRST_SESSION, MINUTE_SESSIONS
            )
        progress(1, 1)

    def ingest(self, progress: Progress) -> None:
        """Every session whose file is not in the store as it is, then the minutes and the corporate actions."""
        files = DirectorySource(self.folder).files("day", sessions_from(FIRST_SESSION, SESSIONS))
        stored = self.store.log().sessions("day")
        made = {date.fromisoformat(key) for key in self._materialized("day_bars")}
        todo = [s for s, file in files.items() if s not in made or stored[s].etag != file.etag]
        for first in range(0, len(todo), SESSIONS_A_RUN):
            chunk = todo[first : first + SESSIONS_A_RUN]
            self._execute(
                "ingest_day_bars",
                tags={
                    "dagster/asset_partition_range_start": chunk[0].isoformat(),
                    "dagster/asset_partition_range_end": chunk[-1].isoformat(),
                },
            )
            progress(first + len(chunk), len(todo))
        after = sessions_from(FIRST_SESSION, SESSIONS + MINUTE_SESSIONS)[SESSIONS:]
        minutes = self.store.log().sessions("minute")
        if any(minutes.get(session) is None for session in after):
            self._execute(
                "ingest_minute_bars",
                tags={
                    "dagster/asset_partition_range_start": after[0].isoformat(),
                    "dagster/asset_partition_range_end": after[-1].isoformat(),
                },
            )
        if todo or not self._materialized_once("corporate_actions"):
            path = str(self.folder / ACTIONS_FILE)
            self._execute(
                "ingest_corporate_actions", config={"ops": {"corporate_actions": {"config": {"path": path}}}}
            )
        progress(1, 1)

    def screen(self, progress: Progress) -> None:
        """The newest session's features, and the candidates of every profile; those that lack inputs say so."""
        version, newest = self.store.current_version(), self.store.sessions("day")[-1]
        names = list(bundled_profiles())
        self.instance.add_dynamic_partitions(str(profiles.name), names)
        with self.session() as session:
            done = set(
                session.scalars(
                    select(models.ScreenRun.profile).where(
                        models.ScreenRun.session == newest, models.ScreenRun.data_version == version
                    )
                )
            )
        todo = [name for name in names if name not in done]
        if todo:
            self._execute("compute_features", partition=newest.isoformat())
        for number, name in enumerate(todo, start=1):
            self._execute("screen_market", partition=screen_key(newest, name))
            progress(number, len(todo))
        progress(1, 1)

    def study(self, progress: Progress) -> None:
        """The bundled transcripts, each through the same extraction as any video."""
        transcripts = bundled_transcripts()
        self.instance.add_dynamic_partitions(str(videos.name), [t.id for t in transcripts])
        done = self._materialized("strategy_specs")
        for number, transcript in enumerate(transcripts, start=1):
            if transcript.id not in done:
                self._execute("study_videos", partition=transcript.id)
            progress(number, len(transcripts))

    def judge(self, progress: Progress) -> None:
        """A backtest and a verdict for every runnable spec."""
        self._compiler.wait()
        names = self.instance.get_dynamic_partitions(str(strategy_specs.name))
        version = self.store.current_version()
        with self.session() as session:
            judged = set(
                session.scalars(
                    select(models.StrategySpec.name)
                    .join(models.Backtest)
                    .join(models.Verdict)
                    .where(models.Backtest.data_version == version)
                )
            )
        for number, name in enumerate(names, start=1):
            if name not in judged:
                self._execute("judge_strategies", partition=name)
            progress(number, len(names))

    def trade(self, progress: Progress) -> None:
        """The best of them on paper over the newest sessions."""
        newest = self.store.sessions("day")[-1]
        with self.session() as session:
            traded_to = session.scalar(select(func.max(models.AccountMark.session)))
        if traded_to != newest:
            self._execute(
                "trade_on_paper",
                config={
                    "ops": {"paper_trades": {"config": {"sessions": PAPER_SESSIONS, "best_if_none": True}}}
                },
            )
        progress(1, 1)

    def report(self, progress: Progress) -> None:
        """What the dashboard cannot see by itself; afterwards a sensor keeps it up to date."""
        keys = [key for check in ALL_CHECKS for key in check.check_keys]
        with self.session() as session:
            report_dagster(session, self.instance, keys)
            report_store(session, self.store)
        progress(1, 1)

    def _execute(
        self,
        job: str,
        *,
        partition: str | None = None,
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        with _quiet_dagster():
            defs.resolve_job_def(job).execute_in_process(
                instance=self.instance,
                partition_key=partition,
                tags={**process_tag(), "falcon/demo": "true", **(tags or {})},
                run_config={**_QUIET, **(config or {})},
            )

    def _materialized(self, asset: str) -> set[str]:
        return self.instance.get_materialized_partitions(dg.AssetKey(asset))

    def _materialized_once(self, asset: str) -> bool:
        return self.instance.get_latest_materialization_event(dg.AssetKey(asset)) is not None

    def _refuse_real_bars(self) -> None:
        basis = self.store.log().basis
        if basis not in (None, SYNTHETIC):
            raise RealBarsPresent(
                f"{self.store_root} holds real bars ({basis}); run the demo with FALCON_HOME set to another folder"
            )


def _compile_beside() -> "subprocess.Popen[bytes]":
    """Compiles the backtest kernel on the second core while bars are ingested; quick when that was done before."""
    return subprocess.Popen(
        [sys.executable, "-m", "falcon_pipelines.backtesting.warm_up"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def _quiet_dagster() -> Iterator[None]:
    """Keeps Dagster's own log lines off the terminal; they are in the run's log all the same."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
