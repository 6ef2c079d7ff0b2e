"""Runs whose process is gone: without this they would look as if they were still going on."""

import os
from datetime import datetime

import dagster as dg
import psutil

from falcon_pipelines.run_workers.queues import NODE_TAG

PROCESS_TAG = "falcon/process"
_UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def process_tag() -> dict[str, str]:
    """Marks a run as executed inside this process."""
    return {PROCESS_TAG: f"{os.getpid()}:{psutil.Process().create_time():.0f}"}


def fail_orphaned_runs(instance: dg.DagsterInstance) -> int:
    """Mark the unfinished runs of dead processes as failed; returns how many there were."""
    unfinished = instance.get_runs(
        filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED, *_UNFINISHED])
    )
    orphans = [run for run in unfinished if PROCESS_TAG in run.tags and not _alive(run.tags[PROCESS_TAG])]
    for run in orphans:
        instance.report_run_failed(run, "the process that executed this run was killed")
    return len(orphans)


def runs_from_before(
    instance: dg.DagsterInstance, moment: datetime, node: str | None = None
) -> list[dg.DagsterRun]:
    """Runs launched before `moment`, a boot, and unfinished since; with `node`, none that another node executes.

    Queued runs are not among them: no process had them yet.
    """
    records = instance.get_run_records(filters=dg.RunsFilter(statuses=_UNFINISHED, created_before=moment))
    return [
        record.dagster_run
        for record in records
        if record.dagster_run.tags.get(NODE_TAG, node) == node
        and (record.start_time or record.update_timestamp.timestamp()) < moment.timestamp()
    ]


def fail_runs_from_before(instance: dg.DagsterInstance, moment: datetime, node: str | None = None) -> int:
    """Mark `runs_from_before` as failed; returns how many there were."""
    found = runs_from_before(instance, moment, node)
    for run in found:
        instance.report_run_failed(
            run, "the machine that executed this run was restarted in the middle of it"
        )
    return len(found)


def _alive(tag: str) -> bool:
    pid, _, created = tag.partition(":")
    try:
        return f"{psutil.Process(int(pid)).create_time():.0f}" == created
    except psutil.NoSuchProcess:
        return False
