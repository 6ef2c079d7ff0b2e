"""The service that takes runs from the queue: one on every compute node, a few runs at a time.

It holds no Dagster code itself, so it is small and a run's failure cannot harm it.
"""

import platform
import threading
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down
from redis import RedisError

from falcon_pipelines import settings as settings_module
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.errors import InputError
from falcon_pipelines.run_workers.broker import Broker, broker_of
from falcon_pipelines.run_workers.guard import guard
from falcon_pipelines.run_workers.leases import Leases
from falcon_pipelines.run_workers.queues import RUN_ID_FIELD, TASK
from falcon_pipelines.services.logs import log_json_lines
from falcon_pipelines.services.service import Service

SERVICE = "falcon-runs"
PULSE_SECONDS = 5.0
STUCK_SECONDS = 60.0
"""Runs that wait this long while the worker has nothing to do: it no longer listens, and systemd's watchdog ends it."""


class NoDatabase(InputError):
    """A worker of runs without a database to tell its heartbeat."""


class RunWorker:
    """Takes runs from some queues, at most `slots` at a time, until it is stopped."""

    def __init__(self, broker: Broker, queues: Sequence[str], slots: int) -> None:
        self.stopping = threading.Event()
        self._queues = tuple(queues)
        self._slots = slots
        self._redis = broker.client()
        self._leases = Leases(self._redis)
        self._busy = 0
        self._lock = threading.Lock()
        self.app = Celery("dagster")
        self.app.conf.update(broker.celery_settings, worker_hijack_root_logger=False)
        self.app.task(name=TASK)(self._execute)

    @property
    def busy(self) -> int:
        """How many runs it executes now."""
        return self._busy

    def run(self) -> None:
        """Work until SIGTERM, which lets runs end for a while."""
        self.app.worker_main(
            [
                "--quiet",
                *("worker", "--pool", "threads", "--concurrency", str(self._slots)),
                *("--queues", ",".join(self._queues), "--hostname", f"runs@{platform.node()}"),
                *("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"),
            ]
        )

    def waiting(self) -> int:
        """Runs in its queues, of every priority; raises redis.RedisError."""
        names = [
            name for queue in self._queues for name in (queue, *(f"{queue}\x06\x16{n}" for n in (3, 6, 9)))
        ]
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.llen(name)
        return sum(int(length) for length in pipe.execute())

    def _execute(self, execute_job_args_packed: dict[str, Any]) -> None:
        with self._lock:
            self._busy += 1
        try:
            guard(execute_job_args_packed[RUN_ID_FIELD], self._leases, self.stopping)
        finally:
            with self._lock:
                self._busy -= 1


def serve(queues: Sequence[str], slots: int) -> None:
    """Work as a service: tell systemd, the database and pages how it goes. Raises NoBroker."""
    log_json_lines()
    settings = settings_module.load()
    worker = RunWorker(broker_of(settings), queues, slots)
    if settings.database_url is None:
        raise NoDatabase(
            "FALCON_DATABASE_URL is not set: a worker of runs is part of a site with a database node"
        )
    engine = database_engine(settings.database_url.get_secret_value())
    with Service(SERVICE, engine) as service:
        ended = threading.Event()

        def ready(**_: Any) -> None:
            service.ready(f"waits for runs in {', '.join(queues)}")

        def stopping(**_: Any) -> None:
            worker.stopping.set()
            service.stopping.set()

        worker_ready.connect(ready)
        worker_shutting_down.connect(stopping)
        pulse = threading.Thread(target=_pulse, args=(worker, service, ended), name="pulse-runs", daemon=True)
        pulse.start()
        try:
            worker.run()
        finally:
            ended.set()


def _pulse(worker: RunWorker, service: Service, ended: threading.Event) -> None:
    """Alive means: Redis does not answer, or somebody takes the runs that wait."""
    idle_seconds = 0.0
    while not ended.wait(PULSE_SECONDS):
        try:
            waiting = worker.waiting()
        except RedisError as error:
            service.trouble("queue of runs", f"Redis does not answer: {error}")
            waiting = 0
        else:
            service.trouble("queue of runs", None)
        idle_seconds = idle_seconds + PULSE_SECONDS if waiting and not worker.busy else 0.0
        if idle_seconds < STUCK_SECONDS:
            service.alive()
        service.doing(f"{worker.busy} runs" if worker.busy else "waits for runs")
