"""The gap sensor asks for every missing session once, whatever was down and for how long."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from falcon_pipelines.assets.market_data import day_bars
from falcon_pipelines.bar_sensors import SESSIONS_A_RUN, Gap, missing_day_bars, missing_gaps
from falcon_pipelines.bars import upkeep
from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.bars.flat_files import DirectorySource, file_key
from falcon_pipelines.bars.ingest import ingest_sessions
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from falcon_pipelines.bars.upkeep import ATTEMPTS
from falcon_pipelines.jobs import ingest_day_bars
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.resources.flat_files import FlatFiles

START = date(2024, 1, 2)
DAYS = sessions_from(START, 600)


def gaps(published: set[date], done: set[date], busy: set[date] | None = None) -> tuple[Gap, ...]:
    return missing_gaps(DAYS, published, done, busy or set())


def test_nothing_is_asked_for_when_all_is_there() -> None:
    assert gaps(set(DAYS), set(DAYS)) == ()


def test_a_long_outage_becomes_few_runs_that_cover_every_session_once() -> None:
    asked = gaps(set(DAYS), set(DAYS[:10]))
    covered = [day for gap in asked for day in DAYS if gap.first <= day <= gap.last]
    assert covered == list(DAYS[10:])
    assert len(asked) == -(-590 // SESSIONS_A_RUN["day"])


def test_a_gap_never_spans_what_is_done_busy_or_unpublished() -> None:
    asked = gaps(set(DAYS[:9]) - {DAYS[6]}, done={DAYS[2]}, busy={DAYS[4]})
    assert asked == (
        Gap(DAYS[0], DAYS[1]),
        Gap(DAYS[3], DAYS[3]),
        Gap(DAYS[5], DAYS[5]),
        Gap(DAYS[7], DAYS[8]),
    )


@pytest.fixture
def defs(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    monkeypatch.setenv("FALCON_HISTORY_START", str(START))
    write_synthetic_flat_files(tmp_path / "flat", tickers=8, sessions=60, start=START)
    database = Database(url=database_url)
    return dg.Definitions(
        assets=[day_bars],
        jobs=[ingest_day_bars],
        sensors=[missing_day_bars],
        resources={
            "database": database,
            "bars": Bars(root=str(tmp_path / "store"), database=database),
            "flat_files": FlatFiles(directory=str(tmp_path / "flat")),
        },
    )


def tick(defs: dg.Definitions, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    resources = {name: (defs.resources or {})[name] for name in ("flat_files", "bars")}
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        return list(missing_day_bars.evaluate_tick(context).run_requests or [])


def spans(request: dg.RunRequest) -> str:
    return str(request.run_key).split(":", maxsplit=1)[0]


def attempt_of(request: dg.RunRequest) -> int:
    return int(str(request.run_key).rsplit(":", maxsplit=1)[1])


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "FIRST_WAIT", timedelta(0))


def work(defs: dg.Definitions, instance: dg.DagsterInstance, request: dg.RunRequest) -> bool:
    job = defs.resolve_job_def(ingest_day_bars.name)
    return job.execute_in_process(instance=instance, tags=request.tags, raise_on_error=False).success


def test_after_an_outage_every_session_is_ingested_exactly_once(
    defs: dg.Definitions, dagster_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    late = tmp_path / "flat" / file_key("day", sessions_from(START, 60)[30])
    late.rename(late.with_suffix(".hidden"))
    first = tick(defs, dagster_instance)
    assert [spans(request) for request in first] == ["2024-01-02..2024-02-13", "2024-02-15..2024-03-27"]
    assert all(work(defs, dagster_instance, request) for request in first)
    assert tick(defs, dagster_instance) == []

    late.with_suffix(".hidden").rename(late)
    second = tick(defs, dagster_instance)
    assert [spans(request) for request in second] == ["2024-02-14..2024-02-14"]
    assert work(defs, dagster_instance, second[0])
    assert tick(defs, dagster_instance) == []

    entries = BarStore(tmp_path / "store").log().sessions("day")
    assert len(entries) == 60
    assert {entry.revision for entry in entries.values()} == {1}


@pytest.mark.parametrize("configured", [False, True])
def test_without_a_source_whose_bars_belong_here_nothing_is_asked_for_and_the_reason_is_said(
    configured: bool,
    dagster_instance: dg.DagsterInstance,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = Database(url=database_url)
    bars = Bars(root=str(tmp_path / "store"), database=database)
    if configured:
        write_synthetic_flat_files(tmp_path / "flat", tickers=8, sessions=60, start=START)
        list(
            ingest_sessions(DirectorySource(tmp_path / "flat"), bars.writer(), "day", sessions_from(START, 1))
        )
        (tmp_path / "real").mkdir()
    flat_files = FlatFiles(directory=str(tmp_path / "real") if configured else None)
    resources = {"flat_files": flat_files, "bars": bars}
    with dg.build_sensor_context(instance=dagster_instance, resources=resources) as context:
        result = missing_day_bars.evaluate_tick(context)
    assert result.run_requests == []
    assert ("synthetic" if configured else "FALCON_S3_ACCESS_KEY") in str(result.skip_message)


def test_a_run_in_progress_is_not_asked_for_again(
    defs: dg.Definitions, dagster_instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = tick(defs, dagster_instance)[0]
    job = defs.resolve_job_def(ingest_day_bars.name)
    run = dagster_instance.create_run_for_job(
        job, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED
    )
    assert tick(defs, dagster_instance) == []
    dagster_instance.report_run_failed(run)
    assert tick(defs, dagster_instance) == []
    monkeypatch.setattr(upkeep, "FIRST_WAIT", timedelta(0))
    again = tick(defs, dagster_instance)[0]
    assert (spans(again), attempt_of(again)) == (spans(request), 2)


@pytest.mark.usefixtures("no_waiting")
def test_a_session_that_keeps_failing_is_given_up_and_does_not_hold_up_the_rest(
    defs: dg.Definitions, dagster_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    broken = tmp_path / "flat" / file_key("day", sessions_from(START, 60)[7])
    whole = broken.read_bytes()
    broken.write_bytes(b"not a gzip file")
    asked = []
    while requests := tick(defs, dagster_instance):
        asked += [(spans(request), attempt_of(request)) for request in requests]
        for request in requests:
            work(defs, dagster_instance, request)
    bad = sessions_from(START, 60)[7]
    assert asked == [
        ("2024-01-02..2024-03-27", 1),
        *((f"{bad}..{bad}", attempt) for attempt in range(1, ATTEMPTS + 1)),
    ]
    assert len(BarStore(tmp_path / "store").sessions("day")) == 59
    broken.write_bytes(whole)
    (request,) = tick(defs, dagster_instance)
    assert attempt_of(request) == 1
    assert work(defs, dagster_instance, request)
