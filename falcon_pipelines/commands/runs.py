"""`falcon runs`: the service of a compute node that executes runs."""

from typing import Annotated

import typer

from falcon_pipelines.run_workers.queues import ANYWHERE, DATA


def runs(
    queues: Annotated[
        str,
        typer.Option(help=f"Queues to take from: {DATA} where the bars and dropped files are, {ANYWHERE}."),
    ] = f"{DATA},{ANYWHERE}",
    slots: Annotated[int, typer.Option(min=1, max=32, help="Runs at a time.")] = 4,
) -> None:
    """Execute runs from the queue at FALCON_RUNS_BROKER until stopped; reports to systemd."""
    from falcon_pipelines.run_workers.worker import serve

    serve([name.strip() for name in queues.split(",") if name.strip()], slots)
