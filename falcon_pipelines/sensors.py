"""Sensors, each a thin shell around a pure decision: what is missing, and what to ask for now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from sqlalchemy import func, select

from falcon_pipelines import settings
from falcon_pipelines.bars.calendar import sessions
from falcon_pipelines.bars.report import report_store
from falcon_pipelines.bars.upkeep import as_ranges, missing_sessions, republished, sessions_to_recheck
from falcon_pipelines.checks import ALL_CHECKS
from falcon_pipelines.db import models
from falcon_pipelines.db.heartbeats import beat
from falcon_pipelines.jobs import ingest_day_bars, judge_strategies, trade_on_paper
from falcon_pipelines.partitions import NEW_YORK, history_start, strategy_specs
from falcon_pipelines.reports import report_dagster
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.resources.flat_files import FlatFiles
from falcon_pipelines.run_states import FAILED, UNFINISHED

SESSIONS_A_RUN = 250
RUNS_A_TICK = 4
ATTEMPTS = 5
_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"
_PARTITION = "dagster/partition"
_SPEC_HASH = "falcon/spec_hash"


@dataclass(frozen=True)
class Gap:
    """Neighbouring sessions to ingest in one run."""

    first: date
    last: date

    @property
    def label(self) -> str:
        """How the gap is named in run keys and messages."""
        return f"{self.first}..{self.last}"


def missing_gaps(
    calendar: Sequence[date], published: Collection[date], done: Collection[date], busy: Collection[date]
) -> tuple[Gap, ...]:
    """Published sessions that are neither done nor being worked on, as runs of neighbours in the calendar.

    Oldest first. A gap spans at most SESSIONS_A_RUN sessions and none that is done, busy or unpublished.
    """
    missing = missing_sessions(calendar, published, {*done, *busy})
    return tuple(Gap(first, last) for first, last in as_ranges(missing, calendar, SESSIONS_A_RUN))


@dg.sensor(
    job=ingest_day_bars,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Ingests every published session that is missing, once, after an outage of any length.",
)
def missing_day_bars(context: dg.SensorEvaluationContext, flat_files: FlatFiles) -> dg.SensorResult:
    """Asks for the gaps between what the source has published and what is materialised."""
    today = datetime.now(ZoneInfo(NEW_YORK)).date()
    calendar = sessions(history_start(settings.load(), today), today - timedelta(days=1))
    instance = context.instance
    done = {date.fromisoformat(key) for key in instance.get_materialized_partitions(dg.AssetKey("day_bars"))}
    busy = _sessions_in_progress(instance, calendar)
    wanted = [session for session in calendar if session not in done and session not in busy]
    published = flat_files.source().files("day", wanted) if wanted else ()
    gaps = missing_gaps(calendar, published, done, busy)
    requests: list[dg.RunRequest] = []
    given_up: list[str] = []
    for gap in gaps:
        failures = _failed_attempts(instance, gap)
        if failures >= ATTEMPTS:
            given_up.append(gap.label)
        elif len(requests) < RUNS_A_TICK:
            requests.append(_run_request(gap, attempt=failures + 1))
    if given_up:
        context.log.error(
            f"gave up after {ATTEMPTS} failed runs: {', '.join(given_up)}; mend and start ingest_day_bars by hand"
        )
    if not requests:
        return dg.SensorResult(skip_reason=f"{len(done)} sessions ingested, nothing to ask for")
    return dg.SensorResult(run_requests=requests)


@dg.sensor(
    job=ingest_day_bars,
    minimum_interval_seconds=6 * 3600,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Ingests sessions again whose file the source has replaced since.",
)
def republished_day_bars(
    context: dg.SensorEvaluationContext, flat_files: FlatFiles, bars: Bars
) -> dg.SensorResult:
    """Compares the ETags of the newest ten sessions with those that were ingested."""
    known = {session: entry.etag for session, entry in bars.reader().log().sessions("day").items()}
    recent = sessions_to_recheck(known)
    files = flat_files.source().files("day", recent)
    replaced = republished(known, files)
    if not replaced:
        return dg.SensorResult(skip_reason=f"the files of the newest {len(recent)} sessions are as ingested")
    requests = [
        dg.RunRequest(
            run_key=f"republished:{session}:{files[session].etag}",
            tags={_RANGE_START: session.isoformat(), _RANGE_END: session.isoformat()},
        )
        for session in replaced
    ]
    return dg.SensorResult(run_requests=requests)


def _run_request(gap: Gap, attempt: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{gap.label}:{attempt}",
        tags={_RANGE_START: gap.first.isoformat(), _RANGE_END: gap.last.isoformat()},
    )


def _sessions_in_progress(instance: dg.DagsterInstance, calendar: Sequence[date]) -> set[date]:
    unfinished = instance.get_runs(
        filters=dg.RunsFilter(
            job_name=ingest_day_bars.name,
            statuses=UNFINISHED,
        )
    )
    busy: set[date] = set()
    for run in unfinished:
        first = run.tags.get(_RANGE_START, run.tags.get(_PARTITION))
        last = run.tags.get(_RANGE_END, first)
        if first and last:
            busy |= {day for day in calendar if date.fromisoformat(first) <= day <= date.fromisoformat(last)}
    return busy


def _failed_attempts(instance: dg.DagsterInstance, gap: Gap) -> int:
    return instance.get_runs_count(
        dg.RunsFilter(
            job_name=ingest_day_bars.name,
            tags={_RANGE_START: gap.first.isoformat(), _RANGE_END: gap.last.isoformat()},
            statuses=FAILED,
        )
    )


@dataclass(frozen=True)
class SpecState:
    """A spec's newest form, whether it has a verdict, and what Dagster knows of its judging."""

    name: str
    spec_hash: str
    judged: bool
    busy: bool
    failures: int


def specs_to_judge(states: Sequence[SpecState]) -> tuple[SpecState, ...]:
    """The specs that are new and not being judged; one that keeps failing is given up until it changes."""
    return tuple(s for s in states if not s.judged and not s.busy and s.failures < ATTEMPTS)


@dg.sensor(
    job=judge_strategies,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Backtests and judges every runnable spec as soon as it is there.",
)
def new_specs(context: dg.SensorEvaluationContext, database: Database) -> dg.SensorResult:
    """Asks for the backtest and the verdict of each spec whose newest form has none."""
    partitions = context.instance.get_dynamic_partitions(str(strategy_specs.name))
    with database.transaction() as session:
        newest = select(func.max(models.StrategySpec.id)).group_by(models.StrategySpec.name)
        judged = select(models.Backtest.spec_id).join(models.Verdict)
        rows = session.execute(
            select(
                models.StrategySpec.name,
                models.StrategySpec.spec_hash,
                models.StrategySpec.id.in_(judged).label("judged"),
            ).where(models.StrategySpec.id.in_(newest), models.StrategySpec.name.in_(partitions))
        ).all()
    states = [
        SpecState(row.name, row.spec_hash, row.judged, *_judging(context.instance, row.spec_hash))
        for row in rows
    ]
    requests = [
        dg.RunRequest(
            run_key=f"{state.spec_hash}:{state.failures + 1}",
            partition_key=state.name,
            tags={_SPEC_HASH: state.spec_hash},
        )
        for state in specs_to_judge(states)
    ]
    if not requests:
        return dg.SensorResult(skip_reason="every runnable spec has a verdict, or is being judged")
    return dg.SensorResult(run_requests=requests)


@dg.sensor(
    job=trade_on_paper,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Acts on what a person decided in the dashboard: approve a strategy for paper, or retire it.",
)
def decisions(context: dg.SensorEvaluationContext, database: Database) -> dg.SensorResult:
    """Asks for promotions once for each new decision."""
    with database.transaction() as session:
        newest = session.scalar(select(func.max(models.Decision.id))) or 0
    if newest <= int(context.cursor or 0):
        return dg.SensorResult(skip_reason="no decision since the last one acted on")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"decision:{newest}")], cursor=str(newest))


_STARTED_AT = datetime.now(UTC)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the dashboard of runs, checks, disks and quarantine, which it cannot see from where it runs.",
)
def reports(context: dg.SensorEvaluationContext, database: Database, bars: Bars) -> dg.SkipReason:
    """Writes what has changed since the last tick; asks for no run."""
    keys = [key for check in ALL_CHECKS for key in check.check_keys]
    ill = sorted(
        name for name, daemon in context.instance.get_daemon_statuses().items() if not daemon.healthy
    )
    with database.transaction() as session:
        report_dagster(session, context.instance, keys)
        report_store(session, bars.reader())
        detail = f"without a heartbeat: {', '.join(ill)}" if ill else None
        beat(session, "dagster-sensors", _STARTED_AT, "degraded" if ill else "ok", detail)
    return dg.SkipReason("reported")


def _judging(instance: dg.DagsterInstance, spec_hash: str) -> tuple[bool, int]:
    """Whether a run of that spec's judging is under way, and how many have failed."""
    of_spec = {_SPEC_HASH: spec_hash}
    busy = instance.get_runs_count(
        dg.RunsFilter(job_name=judge_strategies.name, tags=of_spec, statuses=UNFINISHED)
    )
    failed = instance.get_runs_count(
        dg.RunsFilter(job_name=judge_strategies.name, tags=of_spec, statuses=FAILED)
    )
    return busy > 0, failed
