"""The process of one run: `python -m falcon_pipelines.run_workers.execute RUN_ID`, started by a worker.

It executes what the default launcher's process would, takes SIGTERM as cancellation, and does not outlive its worker.
"""

import os
import platform
import signal
import sys
import threading

from dagster import DagsterInstance
from dagster._cli.api import _execute_run_command_body
from dagster._utils.interrupts import capture_interrupts

from falcon_pipelines.run_workers.queues import NODE_TAG


def main(run_id: str) -> int:
    """Execute the run of this id from DAGSTER_HOME's instance; 0 when it succeeded."""
    threading.Thread(target=_end_with_worker, name="worker", daemon=True).start()
    with capture_interrupts(), DagsterInstance.get() as instance:
        instance.add_run_tags(run_id, {NODE_TAG: platform.node()})
        return _execute_run_command_body(
            run_id, instance, write_stream_fn=lambda _event: None, set_exit_code_on_failure=True
        )


def _end_with_worker() -> None:
    """The worker holds the other end of stdin; when it is gone nobody guards this run any more."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
