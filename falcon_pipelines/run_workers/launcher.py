"""The run launcher of nodes: runs go into the queue of dagster-celery's launcher, out of the code server.

The library's launcher is kept for what it does well (queue, priority, tags). Its cancellation and its health check are
replaced. It signals the run's process without telling Dagster that somebody wished it to end, so a cancelled run is
FAILED, hence run again, and what it had started lives on; and the task of a worker that was killed stays STARTED, which
it takes for RUNNING for ever.
"""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from celery.exceptions import OperationalError as CeleryUnreachable
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from kombu.exceptions import OperationalError as BrokerUnreachable
from redis import RedisError

from falcon_pipelines import settings as settings_module
from falcon_pipelines.run_workers.broker import Broker, broker_of
from falcon_pipelines.run_workers.leases import LEASE_SECONDS, Leases
from falcon_pipelines.run_workers.queues import DATA

GRACE_SECONDS = 30.0
"""A restarted Redis has forgotten the leases: running workers write them again long before this is over."""


class RunWorkers(CeleryRunLauncher):
    """Launches runs on the workers that wait at FALCON_RUNS_BROKER."""

    def __init__(self, broker: Broker, inst_data: ConfigurableClassData | None = None) -> None:
        self._broker = broker
        self._missing_since: dict[str, float] = {}
        super().__init__(
            default_queue=DATA,
            broker=broker.celery_url,
            # The leases say how a run is.
            backend="disabled://",
            config_source=broker.celery_settings,
            inst_data=inst_data,
        )

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing in dagster.yaml: the broker is a setting, its password a credential."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """As Dagster makes it; raises NoBroker."""
        return cls(broker_of(settings_module.load()), inst_data=inst_data, **config_value)

    @cached_property
    def _leases(self) -> Leases:
        return Leases(self._broker.client())

    def launch_run(self, context: LaunchRunContext) -> None:
        """Put the run into its queue; while Redis is away it stays queued in Dagster instead of failing."""
        try:
            super().launch_run(context)
        except (BrokerUnreachable, CeleryUnreachable, RedisError, OSError) as error:
            raise DagsterUserCodeUnreachableError(
                f"the queue of runs at {self._broker.url} does not answer: {error}"
            ) from error

    def terminate(self, run_id: str) -> bool:
        """Ask the run's worker to stop it; False when it is over. Raises redis.RedisError when the wish cannot be told."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._leases.ask_to_stop(run_id)
        if run.status != DagsterRunStatus.CANCELING:
            self._instance.report_run_canceling(run)
        return True

    @property
    def supports_resume_run(self) -> bool:
        """A run of which half is done is run again as a whole: its assets are idempotent."""
        return False

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """How the process of a run that is STARTED is; asked by the daemon every poll."""
        lease = self._leases.read(run.run_id)
        if lease is None:
            return self._without_lease(run.run_id)
        self._missing_since.pop(run.run_id, None)
        if lease.exit_code is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=lease.node)
        # It ended and yet looks STARTED: the database was away when it wanted to say so.
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"its process on {lease.node} ended with exit code {lease.exit_code}"
        )

    def _without_lease(self, run_id: str) -> CheckRunHealthResult:
        now = time.monotonic()
        since = self._missing_since.setdefault(run_id, now)
        if now - since < GRACE_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "no sign of life; asking again")
        self._missing_since.pop(run_id, None)
        # A worker that was only cut off would go on with a run that is done anew elsewhere.
        self._leases.ask_to_stop(run_id)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, f"no sign of life of its worker for {LEASE_SECONDS + GRACE_SECONDS:.0f} s"
        )

    def get_run_worker_debug_info(
        self, run: DagsterRun, include_container_logs: bool | None = True
    ) -> str | None:
        """Where the run was or is."""
        lease = self._leases.read(run.run_id)
        return None if lease is None else f"{lease.node}, process {lease.pid}, exit code {lease.exit_code}"
