"""Serve Falcon on this machine until a person stops it."""

import signal
import tempfile
from pathlib import Path
from types import FrameType

from rich.console import Console

from falcon_pipelines.local.heartbeats import Heartbeats
from falcon_pipelines.local.services import dagster_url, dashboard_url, local_services, require_free_ports
from falcon_pipelines.local.stack import Stack
from falcon_pipelines.local.supervisor import Supervisor
from falcon_pipelines.settings import Settings


def serve_until_interrupted(settings: Settings, stack: Stack, console: Console) -> None:
    """Run the services; returns after Ctrl-C or SIGTERM, with all of them stopped.

    Raises PortTaken, ServiceFailed.
    """
    require_free_ports(settings)
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _interrupt)
    with tempfile.TemporaryDirectory(prefix="falcon-") as runtime:
        supervisor = Supervisor(local_services(settings, stack, Path(runtime)), stack.environment())
        try:
            with console.status("starting the dashboard and Dagster"):
                supervisor.start()
                supervisor.wait_ready()
            console.print(f"Dashboard   {dashboard_url(settings)}")
            console.print(f"Dagster UI  {dagster_url(settings)}")
            console.print("Ctrl-C stops everything.")
            supervisor.watch(Heartbeats(stack.database_url))
        except KeyboardInterrupt:
            console.print("stopping")
        finally:
            supervisor.stop()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
