"""Runs whose process is gone: without this they would look as if they were still going on."""

import os

import dagster as dg
import psutil

PROCESS_TAG = "falcon/process"


def process_tag() -> dict[str, str]:
    """Marks a run as executed inside this process."""
    return {PROCESS_TAG: f"{os.getpid()}:{psutil.Process().create_time():.0f}"}


def fail_orphaned_runs(instance: dg.DagsterInstance) -> int:
    """Mark the unfinished runs of dead processes as failed; returns how many there were."""
    unfinished = instance.get_runs(
        filters=dg.RunsFilter(
            statuses=[
                dg.DagsterRunStatus.NOT_STARTED,
                dg.DagsterRunStatus.STARTING,
                dg.DagsterRunStatus.STARTED,
                dg.DagsterRunStatus.CANCELING,
            ]
        )
    )
    orphans = [run for run in unfinished if PROCESS_TAG in run.tags and not _alive(run.tags[PROCESS_TAG])]
    for run in orphans:
        instance.report_run_failed(run, "the process that executed this run was killed")
    return len(orphans)


def _alive(tag: str) -> bool:
    pid, _, created = tag.partition(":")
    try:
        return f"{psutil.Process(int(pid)).create_time():.0f}" == created
    except psutil.NoSuchProcess:
        return False
