"""After a boot, runs of before are over and their files gone; what this boot started is left alone."""

import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.heartbeats import SENSORS, beat
from falcon_pipelines.local.boot_sweep import boot_moment, daemon_works, end_torn_runs

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


def working() -> bool:
    return True


def test_runs_of_the_last_boot_fail_and_later_ones_go_on(
    dagster_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    torn = dagster_instance.create_run_for_job(nothing, status=STARTED)
    waiting = dagster_instance.create_run_for_job(nothing, status=WAITING)
    time.sleep(0.05)
    assert end_torn_runs(dagster_instance, boot_moment(tmp_path), working) == 1
    later = dagster_instance.create_run_for_job(nothing, status=STARTED)
    # Tried again within the same boot, as systemd does when the database was away.
    assert end_torn_runs(dagster_instance, boot_moment(tmp_path), working) == 0
    assert [status_of(dagster_instance, run) for run in (torn, waiting, later)] == [FAILURE, WAITING, STARTED]


def test_a_run_fails_only_when_the_daemon_is_there_to_run_it_again(
    dagster_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    torn = dagster_instance.create_run_for_job(nothing, status=STARTED)
    time.sleep(0.05)
    seen: list[dg.DagsterRunStatus] = []

    def works_at_the_third_look() -> bool:
        seen.append(status_of(dagster_instance, torn))
        return len(seen) == 3

    assert end_torn_runs(dagster_instance, boot_moment(tmp_path), works_at_the_third_look) == 1
    assert seen == [STARTED] * 3
    assert status_of(dagster_instance, torn) == FAILURE


def test_without_the_daemon_a_run_fails_all_the_same(
    dagster_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    torn = dagster_instance.create_run_for_job(nothing, status=STARTED)
    time.sleep(0.05)
    assert end_torn_runs(dagster_instance, boot_moment(tmp_path), lambda: False, seconds=0.5) == 1
    assert status_of(dagster_instance, torn) == FAILURE


def test_the_daemon_works_when_its_sensors_beat_after_the_boot(database_url: str) -> None:
    engine = database_engine(database_url)
    booted = datetime.now(UTC)
    assert not daemon_works(engine, booted)
    with transaction(engine) as session:
        beat(session, SENSORS, booted)
    assert daemon_works(engine, booted)
    assert not daemon_works(engine, datetime.now(UTC))


def test_a_boot_keeps_the_moment_of_its_first_sweep(tmp_path: Path) -> None:
    first = boot_moment(tmp_path)
    assert boot_moment(tmp_path) == first
    (tmp_path / "since").unlink()
    time.sleep(0.02)
    assert boot_moment(tmp_path) > first
