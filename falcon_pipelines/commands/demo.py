"""`falcon demo`: the whole road on made-up bars, with progress, a table of what came out, and the pages served."""

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands.console import Json, err, out, print_json

if TYPE_CHECKING:
    from falcon_pipelines.local.demo import Demo
    from falcon_pipelines.local.demo_report import DemoReport
    from falcon_pipelines.settings import Settings

TARGET_SECONDS = 90
TARGET_MEMORY_MB = 1536


def demo(
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Serve the dashboard and the Dagster UI afterwards.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic bars.")] = 7,
    json: Json = False,
) -> None:
    """The whole road on seeded synthetic bars and bundled transcripts: no keys, no network."""
    started = time.perf_counter()
    from falcon_pipelines.local.demo import Demo
    from falcon_pipelines.local.demo_report import read_report
    from falcon_pipelines.local.memory import PeakMemory
    from falcon_pipelines.local.serve import serve_until_interrupted
    from falcon_pipelines.local.services import require_free_ports
    from falcon_pipelines.local.stack import running_stack

    settings = settings_module.load()
    if serve:
        require_free_ports(settings)
    with PeakMemory() as memory, running_stack(settings) as stack:
        memory.include(stack.database_pid)
        the_demo = Demo(settings, stack, seed)
        _walk(the_demo)
        with the_demo.session() as session:
            report = read_report(session, the_demo.store)
        memory.sample()
        seconds = time.perf_counter() - started
        if json:
            print_json(_document(report, settings, seconds, memory.peak_mb))
        else:
            _show(report, the_demo, settings, seconds, memory.peak_mb)
        if serve:
            serve_until_interrupted(settings, stack, err, made_up=True)


def _walk(the_demo: "Demo") -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as bars:
        for step in the_demo.steps:
            task = bars.add_task(step.title, total=1)

            def show(done: int, total: int, task: TaskID = task) -> None:
                bars.update(task, completed=done, total=total)

            step.run(show)


def _document(
    report: "DemoReport", settings: "Settings", seconds: float, peak_memory_mb: float
) -> dict[str, object]:
    from falcon_pipelines.local.services import dagster_url, dashboard_url

    return {
        "synthetic": True,
        "sessions": report.sessions,
        "bars": report.bars,
        "quarantined": report.quarantined,
        "version": report.version,
        "candidates": report.candidates,
        "specs": report.specs,
        "backtests": report.backtests,
        "strategies": [vars(line) for line in report.strategies],
        "paper_strategy": report.paper_strategy,
        "fills": report.fills,
        "final_equity": report.final_equity,
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(peak_memory_mb),
        "urls": {"dashboard": dashboard_url(settings), "dagster": dagster_url(settings)},
    }


def _show(
    report: "DemoReport", the_demo: "Demo", settings: "Settings", seconds: float, peak_memory_mb: float
) -> None:
    from falcon_pipelines.local.services import dagster_url, dashboard_url

    footer = (
        f"{seconds:.0f} s (target {TARGET_SECONDS}), {peak_memory_mb:.0f} MB in all processes at most "
        f"(target {TARGET_MEMORY_MB})"
    )
    dashboard = dashboard_url(settings)
    table = Table("Stage", "What came out", "Where", title="Falcon demo — SYNTHETIC bars", caption=footer)
    table.add_row(
        "Day bars",
        f"{report.bars:,} bars of {report.sessions} sessions, {report.first_session} to {report.last_session}; "
        f"{report.quarantined} quarantined",
        f"{the_demo.store_root}\n{report.version}",
    )
    table.add_row("Candidates", f"{report.candidates}, first {', '.join(report.top)}", f"{dashboard}/")
    for line in report.strategies:
        table.add_row(
            f"Strategy {line.name}",
            f"{line.closed_trades} closed trades; 100,000 became {line.final_equity:,.0f}, "
            f"buy-and-hold {line.buy_and_hold:,.0f}\n[bold]{line.verdict}[/]",
            f"{dashboard}/strategies/{line.spec_id}",
        )
    table.add_row(
        "Paper trades",
        f"{report.paper_strategy}: {report.fills} fills, equity {report.final_equity:,.2f}",
        f"{dashboard}/",
    )
    table.add_row("Dagster runs", "every step above, with its logs", f"{dagster_url(settings)}/runs")
    out.print(table)
