"""Jobs that the tests of run workers execute in processes of their own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg

_SLEEP = "import time; time.sleep(600)"


@dg.op(config_schema={"folder": str, "stubborn": bool})
def busy(context: dg.OpExecutionContext) -> None:
    """Starts a process of its own and works until it is stopped; a stubborn one does not mind being asked."""
    folder = Path(context.op_config["folder"])
    child = subprocess.Popen([sys.executable, "-c", _SLEEP], start_new_session=True)
    (folder / "pids.part").write_text(f"{os.getpid()} {child.pid}")
    (folder / "pids.part").rename(folder / "pids")
    while True:
        try:
            time.sleep(600)
        except dg.DagsterExecutionInterruptedError:
            if not context.op_config["stubborn"]:
                raise


@dg.op
def quick() -> None:
    """Ends at once."""


@dg.job(executor_def=dg.in_process_executor)
def work() -> None:
    """Does not end by itself."""
    busy()


@dg.job(executor_def=dg.in_process_executor)
def rest() -> None:
    """Ends at once."""
    quick()
