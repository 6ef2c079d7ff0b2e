"""Runs are executed by workers; cancelling stops them, and a run whose worker is gone is noticed."""

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import LaunchRunContext, WorkerStatus

from falcon_pipelines.run_workers import guard, launcher
from falcon_pipelines.run_workers.broker import Broker
from falcon_pipelines.run_workers.launcher import RunWorkers
from falcon_pipelines.run_workers.leases import Lease, Leases
from tests.run_workers import jobs

S = dg.DagsterRunStatus
Start = Callable[[], subprocess.Popen[bytes]]


def new_run(
    instance: dg.DagsterInstance, job: dg.JobDefinition, folder: Path, *, stubborn: bool = False
) -> str:
    config = {"ops": {"busy": {"config": {"folder": str(folder), "stubborn": stubborn}}}}
    origin = dg.reconstructable(job).get_python_origin()
    run = instance.create_run_for_job(
        job, run_config=config if job is jobs.work else {}, job_code_origin=origin
    )
    return run.run_id


def launch(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_dagster_event(
        dg.DagsterEvent(event_type_value="PIPELINE_STARTING", job_name=run.job_name), run_id=run_id
    )
    instance.run_launcher.launch_run(LaunchRunContext(instance.get_run_by_id(run_id), None))


def status(instance: dg.DagsterInstance, run_id: str) -> S:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def pids(folder: Path) -> list[int]:
    until((folder / "pids").exists)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_run_is_executed_by_a_worker_in_a_process_of_its_own(
    instance: dg.DagsterInstance, start_worker: Start, broker: Broker, tmp_path: Path
) -> None:
    run_id = new_run(instance, jobs.rest, tmp_path)
    launch(instance, run_id)
    assert status(instance, run_id) == S.STARTING, "it waits in the queue while nobody takes it"
    start_worker()
    until(lambda: status(instance, run_id) == S.SUCCESS)
    leases = Leases(broker.client())
    until(lambda: (lease := leases.read(run_id)) is not None and lease.exit_code == 0)


@pytest.mark.slow
def test_cancelling_stops_a_run_with_all_its_processes(
    instance: dg.DagsterInstance, start_worker: Start, tmp_path: Path
) -> None:
    start_worker()
    run_id = new_run(instance, jobs.work, tmp_path)
    launch(instance, run_id)
    mine, child = pids(tmp_path)
    assert instance.run_launcher.terminate(run_id)
    until(lambda: status(instance, run_id) == S.CANCELED)
    until(lambda: gone(mine) and gone(child))
    assert not instance.run_launcher.terminate(run_id), "there is nothing left to stop"


@pytest.mark.slow
def test_a_run_cancelled_before_a_worker_took_it_never_begins(
    instance: dg.DagsterInstance, start_worker: Start, broker: Broker, tmp_path: Path
) -> None:
    first, second = (new_run(instance, jobs.rest, tmp_path) for _ in range(2))
    launch(instance, first)
    assert instance.run_launcher.terminate(first)
    launch(instance, second)
    start_worker()
    until(lambda: status(instance, second) == S.SUCCESS)
    assert status(instance, first) == S.CANCELING
    assert Leases(broker.client()).read(first) is None


@pytest.mark.slow
def test_the_run_of_a_killed_worker_dies_with_it_and_is_found_dead(
    instance: dg.DagsterInstance,
    start_worker: Start,
    broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = start_worker()
    run_id = new_run(instance, jobs.work, tmp_path)
    launch(instance, run_id)
    mine, _ = pids(tmp_path)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    worker.kill()
    until(lambda: gone(mine))
    # Nobody renews the lease: what takes 45 s is done at once.
    broker.client().delete(f"falcon:run:{run_id}")
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING, (
        "Redis may be new"
    )
    monkeypatch.setattr(launcher, "GRACE_SECONDS", 0.0)
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND
    assert Leases(broker.client()).should_stop(run_id), "were it only cut off, it would stop when it is back"


def test_a_run_whose_end_did_not_reach_the_database_is_found_dead(
    instance: dg.DagsterInstance, broker: Broker, tmp_path: Path
) -> None:
    run_id = new_run(instance, jobs.rest, tmp_path)
    Leases(broker.client()).end(run_id, Lease("compute", "a", 1, 0))
    run = instance.get_run_by_id(run_id)
    assert run is not None
    health = instance.run_launcher.check_run_worker_health(run)
    assert health.status == WorkerStatus.FAILED
    assert health.msg == "its process on compute ended with exit code 0"


def test_a_run_stays_queued_while_redis_is_away(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    away = RunWorkers(Broker("redis://127.0.0.1:1/0"))
    away.register_instance(instance)
    run = instance.get_run_by_id(new_run(instance, jobs.rest, tmp_path))
    assert run is not None
    with pytest.raises(
        DagsterUserCodeUnreachableError, match=r"queue of runs at redis://127\.0\.0\.1:1/0 does not answer"
    ):
        away.launch_run(LaunchRunContext(run, None))


@pytest.mark.slow
def test_what_ignores_being_asked_is_killed(
    instance: dg.DagsterInstance, broker: Broker, tmp_path: Path
) -> None:
    leases = Leases(broker.client())
    run_id = new_run(instance, jobs.work, tmp_path, stubborn=True)
    codes: list[int | None] = []
    thread = threading.Thread(
        target=lambda: codes.append(guard.guard(run_id, leases, threading.Event(), stop_seconds=0.5))
    )
    thread.start()
    mine, child = pids(tmp_path)
    leases.ask_to_stop(run_id)
    thread.join(30)
    assert codes == [-9]
    until(lambda: gone(mine) and gone(child))


def test_a_second_message_for_the_same_run_is_ignored(broker: Broker, tmp_path: Path) -> None:
    leases = Leases(broker.client())
    assert leases.take("run", Lease("other", "a", 1))
    assert (
        guard.guard("run", leases, threading.Event(), command=["/bin/touch", str(tmp_path / "began")]) is None
    )
    assert not list(tmp_path.iterdir())
