"""A real Redis with a password, for the queue of runs; where none is installed these tests are skipped."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance
from redis import Redis, RedisError

from falcon_pipelines.run_workers.broker import Broker
from tests.conftest import ROOT

PASSWORD = "correct horse/@"
WORKER = (
    "from falcon_pipelines.run_workers.broker import broker_of; from falcon_pipelines import settings; "
    + (
        "from falcon_pipelines.run_workers.worker import RunWorker; "
        "RunWorker(broker_of(settings.load()), ['data', 'anywhere'], 2).run()"
    )
)


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a Redis of this session's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = tmp_path_factory.mktemp("redis")
    configuration = f'bind 127.0.0.1\nport {port}\ndir {folder}\nsave ""\nrequirepass "{PASSWORD}"\n'
    with subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
        assert server.stdin is not None
        server.stdin.write(configuration.encode())
        server.stdin.close()
        client = Redis(port=port, password=PASSWORD)
        for _ in range(100):
            try:
                client.ping()
            except RedisError:
                time.sleep(0.05)
            else:
                break
        yield port
        server.terminate()


@pytest.fixture
def broker(redis_port: int) -> Broker:
    """An empty queue."""
    found = Broker(f"redis://127.0.0.1:{redis_port}/0", PASSWORD)
    found.client().flushall()
    return found


@pytest.fixture
def instance(
    broker: Broker, dagster_instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterInstance]:
    """A Dagster instance as on nodes: the packaged one, with the launcher of run workers."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    monkeypatch.setenv("FALCON_RUNS_BROKER", broker.url)
    monkeypatch.setenv("FALCON_RUNS_PASSWORD_FILE", str(tmp_path / "password"))
    home = Path(os.environ["DAGSTER_HOME"])
    with (home / "dagster.yaml").open("a") as file:
        file.write("run_launcher: {module: falcon_pipelines.run_workers.launcher, class: RunWorkers}\n")
    with DagsterInstance.get() as found:
        yield found


@pytest.fixture
def start_worker(instance: DagsterInstance) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts workers in processes of their own, and ends them after the test."""
    workers: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        workers.append(subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()
