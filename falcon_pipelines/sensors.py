"""Sensors, each a thin shell around a pure decision: what is missing, and what to ask for now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy import func, select

from falcon_pipelines.bars.report import report_store
from falcon_pipelines.checks import ALL_CHECKS
from falcon_pipelines.db import models
from falcon_pipelines.db.heartbeats import SENSORS, beat
from falcon_pipelines.jobs import judge_strategies, trade_on_paper
from falcon_pipelines.partitions import strategy_specs
from falcon_pipelines.reports import report_dagster
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.run_states import FAILED, UNFINISHED

ATTEMPTS = 5
_SPEC_HASH = "falcon/spec_hash"


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
    default_status=dg.DefaultSensorStatus.RUNNING,
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
        beat(session, SENSORS, _STARTED_AT, "degraded" if ill else "ok", detail)
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
