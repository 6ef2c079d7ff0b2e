"""After a boot, runs of before are over and their files gone; what this boot started is left alone."""

import time
from pathlib import Path

import dagster as dg

from falcon_pipelines.local.boot_sweep import boot_moment, boot_sweep

STARTED, WAITING, FAILURE = (
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.FAILURE,
)


@dg.job
def nothing() -> None:
    """A job of no steps."""


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_runs_of_the_last_boot_fail_and_later_ones_go_on(
    dagster_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    torn = dagster_instance.create_run_for_job(nothing, status=STARTED)
    waiting = dagster_instance.create_run_for_job(nothing, status=WAITING)
    time.sleep(0.05)
    assert boot_sweep(tmp_path, tmp_path / "market_data", dagster_instance) == (1, 0)
    later = dagster_instance.create_run_for_job(nothing, status=STARTED)
    # Tried again within the same boot, as systemd does when the database was away.
    assert boot_sweep(tmp_path, tmp_path / "market_data", dagster_instance) == (0, 0)
    assert [status_of(dagster_instance, run) for run in (torn, waiting, later)] == [FAILURE, WAITING, STARTED]


def test_temporary_folders_of_dead_processes_are_removed(
    dagster_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    left = tmp_path / "market_data" / "tmp" / "left"
    left.mkdir(parents=True)
    (left / "half.parquet").touch()
    assert boot_sweep(tmp_path, tmp_path / "market_data", dagster_instance) == (0, 1)
    assert not left.exists()


def test_a_boot_keeps_the_moment_of_its_first_sweep(tmp_path: Path) -> None:
    first = boot_moment(tmp_path)
    assert boot_moment(tmp_path) == first
    (tmp_path / "since").unlink()
    time.sleep(0.02)
    assert boot_moment(tmp_path) > first
