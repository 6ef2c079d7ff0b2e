"""What pages and messages say of a failed run is the line that says what to do."""

import errno
from pathlib import Path

import dagster as dg
from sqlalchemy import select

from falcon_pipelines.bars.files import not_writable
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import PipelineRun
from falcon_pipelines.reports import report_dagster


@dg.op
def meets_a_full_disk() -> None:
    try:
        raise OSError(errno.ENOSPC, "No space left on device", "/bars/tmp/tmpleg9qik")
    except OSError as error:
        raise not_writable(Path("/bars"), error) from error


@dg.op
def breaks() -> None:
    try:
        raise KeyError("ticker")
    except KeyError as error:
        raise ValueError("no such row") from error


@dg.job
def ingest() -> None:
    meets_a_full_disk()


@dg.job
def compute() -> None:
    breaks()


def test_a_failed_run_is_told_by_falcons_own_line_or_else_by_its_first_cause(
    dagster_instance: dg.DagsterInstance, database_url: str
) -> None:
    for job in (ingest, compute):
        assert not job.execute_in_process(instance=dagster_instance, raise_on_error=False).success
    engine = database_engine(database_url)
    with transaction(engine) as session:
        report_dagster(session, dagster_instance, [])
    with transaction(engine) as session:
        problems = dict(session.execute(select(PipelineRun.job, PipelineRun.problem)).tuples().all())
    engine.dispose()
    told = problems["ingest"] or ""
    assert told.endswith("/bars: the disk is full; free some space and run the same command again")
    assert problems["compute"] == "KeyError: 'ticker'"
