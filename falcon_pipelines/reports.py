"""Tells the pages what only Dagster knows: its runs, why they failed, and what its checks found.

The pages run on a node without Dagster's libraries and without rights on its database.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import CheckResult, PipelineRun
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.db.proofs import CANARY

RUNS_A_REPORT = 500
EVALUATIONS_A_REPORT = 50
PROBLEM_LENGTH = 500

_STATUS = {
    DagsterRunStatus.QUEUED: "queued",
    DagsterRunStatus.NOT_STARTED: "queued",
    DagsterRunStatus.MANAGED: "queued",
    DagsterRunStatus.STARTING: "running",
    DagsterRunStatus.STARTED: "running",
    DagsterRunStatus.CANCELING: "running",
    DagsterRunStatus.SUCCESS: "succeeded",
    DagsterRunStatus.FAILURE: "failed",
    DagsterRunStatus.CANCELED: "canceled",
}
_EVALUATED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
_NOTHING_SEEN = datetime(1970, 1, 1, tzinfo=UTC)


def report_dagster(
    session: Session, instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]
) -> None:
    """Write what has changed since the last report, in the caller's transaction; tells people of failed runs."""
    _report_runs(session, instance)
    _report_checks(session, instance, checks)


def _report_runs(session: Session, instance: dg.DagsterInstance) -> None:
    seen = session.scalar(select(func.max(PipelineRun.updated_at))) or _NOTHING_SEEN
    records = instance.get_run_records(
        filters=dg.RunsFilter(updated_after=seen),
        limit=RUNS_A_REPORT,
        order_by="update_timestamp",
        ascending=True,
    )
    # The canary's runs are many and have a proof of their own.
    rows = [_run_row(instance, record) for record in records if record.dagster_run.job_name != CANARY]
    if not rows:
        return
    statement = insert(PipelineRun)
    changed = {name: statement.excluded[name] for name in rows[0] if name != "id"}
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed), rows)
    for row in rows:
        if row["status"] == "failed":
            of = f" of {row['partition']}" if row["partition"] else ""
            notify(
                session, f"run:{row['id']}", "run_failed", f"{row['job']}{of} failed", row["problem"] or ""
            )


def _run_row(instance: dg.DagsterInstance, record: dg.RunRecord) -> dict[str, Any]:
    run = record.dagster_run
    status = _STATUS[run.status]
    return {
        "id": run.run_id,
        "job": run.job_name,
        "partition": _partition(run.tags),
        "status": status,
        "problem": _problem(instance, run.run_id) if status == "failed" else None,
        "created_at": _utc(record.create_timestamp),
        "started_at": _moment(record.start_time),
        "ended_at": _moment(record.end_time),
        "updated_at": _utc(record.update_timestamp),
    }


def _partition(tags: Any) -> str | None:
    single = tags.get("dagster/partition")
    if single is not None:
        return str(single)
    first, last = (tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    if first is None:
        return None
    return str(first) if first == last else f"{first} to {last}"


def _problem(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """The first error of a run, as one line; the step's own where a step failed."""
    for kind in (DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE):
        for entry in instance.all_logs(run_id, of_type=kind):
            event = entry.dagster_event
            if event is None:
                continue
            error = _telling(getattr(event.event_specific_data, "error", None))
            told = (error.message if error is not None else None) or event.message or ""
            line = next((line.strip() for line in told.splitlines() if line.strip()), "")
            if line:
                return line.replace("\0", "")[:PROBLEM_LENGTH]
    return None


def _telling(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """The error that says what to do: Falcon's own, which names its cause; else the innermost."""
    innermost = error
    while error is not None:
        if error.message.startswith("falcon_pipelines."):
            return error
        innermost, error = error, error.cause
    return innermost


def _report_checks(
    session: Session, instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]
) -> None:
    rows: list[dict[str, Any]] = []
    storage = instance.event_log_storage
    for key in checks:
        asset, name = key.asset_key.to_user_string(), key.name
        known = {
            row.partition: row.storage_id
            for row in session.execute(
                select(CheckResult.partition, CheckResult.storage_id).where(
                    CheckResult.asset == asset, CheckResult.name == name
                )
            )
        }
        mended: set[str] = set()
        newest: dict[str, dict[str, Any]] = {}
        for record in storage.get_asset_check_execution_history(
            key, limit=EVALUATIONS_A_REPORT, status=_EVALUATED
        ):
            evaluation = record.evaluation
            if evaluation is None:
                continue
            row = {
                "asset": asset,
                "name": name,
                "evaluated_partition": record.partition,
                "passed": evaluation.passed,
                "severity": evaluation.severity.value,
                "description": evaluation.description,
                "run_id": record.run_id,
                "evaluated_at": _moment(record.event.timestamp if record.event else record.create_timestamp),
                "storage_id": record.id,
            }
            newest.setdefault("", {**row, "partition": ""})
            if record.partition is None or record.partition in newest or record.partition in mended:
                continue
            if evaluation.passed:
                mended.add(record.partition)
            else:
                newest[record.partition] = {**row, "partition": record.partition}
        rows += [row for part, row in newest.items() if known.get(part, -1) < row["storage_id"]]
        gone = mended & known.keys()
        if gone:
            session.execute(
                delete(CheckResult).where(
                    CheckResult.asset == asset, CheckResult.name == name, CheckResult.partition.in_(gone)
                )
            )
    if rows:
        _save_checks(session, rows)


def _save_checks(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    statement = insert(CheckResult)
    changed = {
        name: statement.excluded[name] for name in rows[0] if name not in ("asset", "name", "partition")
    }
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["asset", "name", "partition"],
            set_=changed,
            where=CheckResult.storage_id < statement.excluded.storage_id,
        ),
        rows,
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
