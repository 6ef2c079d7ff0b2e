"""The canary: a run that does next to nothing, every few minutes, over the whole road that real runs take.

The daemon asks the code server what is due, queues and launches the run, and the run writes into the database. What
looks whether it came through is not in Dagster: see `watching`.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.db.proofs import CANARY, record_proof
from falcon_pipelines.resources.database import Database
from falcon_pipelines.run_states import UNFINISHED
from falcon_pipelines.run_workers.queues import ANYWHERE, QUEUE_TAG

KEPT_FOR = timedelta(hours=6)


@dg.op(
    description="Writes into the database how long the run was on its way, and removes old runs of its kind."
)
def sing(context: dg.OpExecutionContext, database: Database) -> None:
    """The proof that a run came through, with the seconds from its request to now."""
    now = datetime.now(UTC)
    record = context.instance.get_run_record_by_id(context.run_id)
    asked_at = now if record is None else record.create_timestamp.replace(tzinfo=UTC)
    with database.transaction() as session:
        record_proof(
            session,
            CANARY,
            ok=True,
            detail=f"run {context.run_id[:8]} came through",
            seconds=(now - asked_at).total_seconds(),
            proved_at=now,
        )
    # It materialises nothing, so nothing is forgotten with its runs.
    old = context.instance.get_run_records(
        dg.RunsFilter(job_name=CANARY, created_before=now - KEPT_FOR), limit=100
    )
    for one in old:
        if one.dagster_run.is_finished:
            context.instance.delete_run(one.dagster_run.run_id)


@dg.job(
    name=CANARY,
    executor_def=dg.in_process_executor,
    description="Shows that daemon, compute and database work together.",
    # It goes before what waits, and is over soon or not at all.
    tags={"dagster/priority": "10", "dagster/max_runtime": "300", QUEUE_TAG: ANYWHERE},
)
def canary() -> None:
    """One step."""
    sing()


def canary_to_ask_for(wanted: bool, unfinished: int) -> str | None:
    """Why no run is asked for; None where one is."""
    if not wanted:
        return "FALCON_CANARY is off"
    if unfinished:
        return "the one before has not come through yet"
    return None


@dg.schedule(
    job=canary,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Asks for the canary, on installations that are watched.",
)
def canary_every_five_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One at a time: behind an outage they must not queue up."""
    unfinished = context.instance.get_runs_count(dg.RunsFilter(job_name=CANARY, statuses=UNFINISHED))
    reason = canary_to_ask_for(settings.load().canary == "on", unfinished)
    return dg.RunRequest() if reason is None else dg.SkipReason(reason)
