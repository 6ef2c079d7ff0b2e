"""What Dagster shows of the bars: a result per session and check, errors that stop, freshness, republication."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from falcon_pipelines.assets.market_data import day_bars
from falcon_pipelines.bar_sensors import actions_before_adjustment, republished_day_bars
from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.bars.session_quality import ERROR_CHECKS, WARN_CHECKS
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from falcon_pipelines.checks import day_bars_fresh, day_bars_quality
from falcon_pipelines.jobs import check_freshness, ingest_day_bars
from falcon_pipelines.partitions import trading_sessions
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.resources.flat_files import FlatFiles
from falcon_pipelines.schedules import evening_screens
from tests.bars.market import line, write_lines

DAYS = sessions_from(date(2024, 1, 2), 24)
LAST = DAYS[-1]


@dg.asset(deps=[day_bars], partitions_def=trading_sessions, backfill_policy=dg.BackfillPolicy.single_run())
def made_of_bars() -> None:
    """Stands for whatever is made of a session."""


@pytest.fixture
def resources(tmp_path: Path, database_url: str) -> dict[str, object]:
    (tmp_path / "flat").mkdir()
    database = Database(url=database_url)
    return {
        "database": database,
        "bars": Bars(root=str(tmp_path / "store"), database=database),
        "flat_files": FlatFiles(directory=str(tmp_path / "flat")),
    }


def publish(tmp_path: Path, session: date, tickers: int, close: float = 10) -> Path:
    moved = close + 0.01 * session.day
    rows = [line(f"T{n:02}", session, moved, moved, moved, moved) for n in range(tickers)]
    return write_lines(tmp_path / "flat", session, rows)


def run(
    resources: dict[str, object], instance: dg.DagsterInstance, first: date, last: date
) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions(
        assets=[day_bars, made_of_bars], asset_checks=[day_bars_quality], resources=resources
    )
    job = definitions.get_implicit_global_asset_job_def()
    tags = (
        {"dagster/partition": str(first)}
        if first == last
        else {
            "dagster/asset_partition_range_start": str(first),
            "dagster/asset_partition_range_end": str(last),
        }
    )
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


def evaluations(instance: dg.DagsterInstance, name: str) -> dict[str | None, dg.AssetCheckEvaluation]:
    """The newest evaluation of a check per partition."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(day_bars.key, name), limit=1000
    )
    found: dict[str | None, dg.AssetCheckEvaluation] = {}
    for record in records:
        event = record.event.dagster_event if record.event else None
        if event is not None and event.event_type_value == "ASSET_CHECK_EVALUATION":
            data = event.asset_check_evaluation_data
            found.setdefault(data.partition, data)
    return found


def top_rows(evaluation: dg.AssetCheckEvaluation) -> list[dg.TableRecord]:
    shown = evaluation.metadata["top_rows"]
    assert isinstance(shown, dg.TableMetadataValue)
    return list(shown.records)


def test_a_daily_run_has_a_result_of_each_check_for_its_session(
    tmp_path: Path, resources: dict[str, object], dagster_instance: dg.DagsterInstance
) -> None:
    publish(tmp_path, LAST, 30)
    assert run(resources, dagster_instance, LAST, LAST).success
    for name in ERROR_CHECKS + WARN_CHECKS:
        result = evaluations(dagster_instance, name)[str(LAST)]
        assert result.passed, name
        assert {"count", "threshold", "session"} <= set(result.metadata)


def test_a_session_with_too_few_rows_stops_what_would_be_made_of_it(
    tmp_path: Path, resources: dict[str, object], dagster_instance: dg.DagsterInstance
) -> None:
    for session in DAYS:
        publish(tmp_path, session, 30 if session != LAST else 26)
    assert run(resources, dagster_instance, DAYS[0], DAYS[-2]).success
    rows = evaluations(dagster_instance, "row_count")
    assert {key for key in rows if key} == {str(session) for session in DAYS[:-1]}
    assert all(result.passed for result in rows.values())

    assert not run(resources, dagster_instance, LAST, LAST).success
    failed = evaluations(dagster_instance, "row_count")[str(LAST)]
    assert not failed.passed
    assert failed.blocking
    assert failed.severity == dg.AssetCheckSeverity.ERROR
    made = dagster_instance.get_materialized_partitions(made_of_bars.key)
    assert str(LAST) not in made
    assert str(DAYS[-2]) in made
    gaps = evaluations(dagster_instance, "gaps")[str(LAST)]
    assert gaps.severity == dg.AssetCheckSeverity.WARN
    assert [row.data["ticker"] for row in top_rows(gaps)] == ["T26", "T27", "T28", "T29"]


def test_a_bad_session_in_a_backfill_is_found_under_its_own_date(
    tmp_path: Path, resources: dict[str, object], dagster_instance: dg.DagsterInstance
) -> None:
    for session in DAYS:
        publish(tmp_path, session, 30, close=11.5 if session == DAYS[10] else 6)
    run(resources, dagster_instance, DAYS[0], LAST)
    moves = evaluations(dagster_instance, "large_moves")
    assert {key for key, result in moves.items() if not result.passed} >= {str(DAYS[10]), str(DAYS[11])}
    assert moves[str(DAYS[10])].severity == dg.AssetCheckSeverity.WARN
    assert str(LAST) in dagster_instance.get_materialized_partitions(made_of_bars.key)


def test_faults_of_synthetic_bars_are_shown_and_stop_nothing(
    tmp_path: Path, resources: dict[str, object], dagster_instance: dg.DagsterInstance
) -> None:
    market = write_synthetic_flat_files(tmp_path / "flat", tickers=20, sessions=60)
    assert run(resources, dagster_instance, market.sessions[0], market.sessions[-1]).success
    bad = evaluations(dagster_instance, "quarantined_share")[str(market.bad_row[1])]
    assert not bad.passed
    assert str(top_rows(bad)[0].data["raw"]).startswith(market.bad_row[0])
    assert Path(bad.metadata["quarantine_file"].value).is_file()


def test_a_refused_file_is_a_failed_check_of_its_session_and_its_neighbours_go_in(
    tmp_path: Path, resources: dict[str, object], dagster_instance: dg.DagsterInstance
) -> None:
    days = DAYS[:4]
    for session in days:
        publish(tmp_path, session, 5)
    two_bars = [line("T01", days[2], close=11), line("T02", days[2]), line("T01", days[2], close=10.5)]
    write_lines(tmp_path / "flat", days[2], two_bars)
    broken = publish(tmp_path, days[1], 500)
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    assert not run(resources, dagster_instance, days[0], days[3]).success
    assert dagster_instance.get_materialized_partitions(day_bars.key) == {str(days[0]), str(days[3])}
    conflict = evaluations(dagster_instance, "unique_keys")[str(days[2])]
    assert (conflict.passed, conflict.blocking, conflict.severity) == (
        False,
        True,
        dg.AssetCheckSeverity.ERROR,
    )
    assert conflict.metadata["count"].value == 2
    assert [row.data["line"] for row in top_rows(conflict)] == [2, 4]
    kept = pl.read_parquet(str(conflict.metadata["quarantine_file"].value))
    assert kept["raw"].to_list() == two_bars
    assert kept["rule"].str.starts_with("file refused").all()
    assert kept["etag"].n_unique() == 1
    cut = evaluations(dagster_instance, "readable")[str(days[1])]
    assert not cut.passed
    assert "fetch it again" in (cut.description or "")
    assert evaluations(dagster_instance, "readable")[str(days[3])].passed

    write_lines(tmp_path / "flat", days[2], two_bars[:2])
    broken.write_bytes(whole)
    assert run(resources, dagster_instance, days[0], days[3]).success
    assert dagster_instance.get_materialized_partitions(day_bars.key) == {str(day) for day in days}
    assert evaluations(dagster_instance, "unique_keys")[str(days[2])].passed


def test_a_refused_republication_leaves_the_good_revision(
    tmp_path: Path, resources: dict[str, object], dagster_instance: dg.DagsterInstance
) -> None:
    publish(tmp_path, LAST, 5)
    assert run(resources, dagster_instance, LAST, LAST).success
    write_lines(tmp_path / "flat", LAST, [line("T01", DAYS[0]), line("T02", DAYS[0])])
    assert not run(resources, dagster_instance, LAST, LAST).success
    refused = evaluations(dagster_instance, "right_session")[str(LAST)]
    assert (refused.passed, refused.metadata["value"].value, refused.metadata["threshold"].value) == (
        False,
        1.0,
        0.5,
    )
    bars = resources["bars"]
    assert isinstance(bars, Bars)
    assert bars.reader().cross_section(LAST).height == 5


def test_backfilling_an_old_session_does_not_look_fresh(
    tmp_path: Path, resources: dict[str, object], dagster_instance: dg.DagsterInstance
) -> None:
    publish(tmp_path, LAST, 30)
    definitions = dg.Definitions(
        assets=[day_bars],
        asset_checks=[day_bars_quality, day_bars_fresh],
        jobs=[check_freshness, ingest_day_bars],
        resources=resources,
    )
    ingest = definitions.resolve_job_def("ingest_day_bars")
    assert ingest.execute_in_process(instance=dagster_instance, tags={"dagster/partition": str(LAST)}).success
    assert not any(result.passed for result in evaluations(dagster_instance, "fresh").values())
    job = definitions.resolve_job_def("check_freshness")
    assert job.execute_in_process(instance=dagster_instance).success
    result = evaluations(dagster_instance, "fresh")[None]
    assert not result.passed
    assert result.metadata["newest"].value == str(LAST)
    assert date.fromisoformat(str(result.metadata["expected"].value)) > datetime.now(UTC).date() - timedelta(
        days=6
    )


def test_a_replaced_file_is_ingested_again_and_asked_for_once(
    tmp_path: Path, resources: dict[str, object], dagster_instance: dg.DagsterInstance
) -> None:
    for session in DAYS:
        publish(tmp_path, session, 5)
    run(resources, dagster_instance, DAYS[0], LAST)

    def tick() -> list[dg.RunRequest]:
        wanted = {name: resources[name] for name in ("bars", "flat_files")}
        with dg.build_sensor_context(instance=dagster_instance, resources=wanted) as context:
            return list(republished_day_bars.evaluate_tick(context).run_requests or [])

    assert tick() == []
    publish(tmp_path, DAYS[-3], 5, close=11)
    publish(tmp_path, DAYS[2], 5, close=11)
    (request,) = tick()
    assert (request.run_key or "").startswith(f"republished:{DAYS[-3]}:")
    assert [again.run_key for again in tick()] == [request.run_key]
    definitions = dg.Definitions(assets=[day_bars], jobs=[ingest_day_bars], resources=resources)
    job = definitions.resolve_job_def("ingest_day_bars")
    assert job.execute_in_process(instance=dagster_instance, tags=request.tags).success
    assert tick() == []


def test_a_session_with_an_error_is_not_screened(
    tmp_path: Path, resources: dict[str, object], dagster_instance: dg.DagsterInstance
) -> None:
    for session in DAYS:
        publish(tmp_path, session, 30 if session != LAST else 20)
    run(resources, dagster_instance, DAYS[0], LAST)

    def screens() -> dg.SkipReason | dg.RunRequest:
        with dg.build_schedule_context(
            instance=dagster_instance,
            resources={name: resources[name] for name in ("bars", "database")},
            scheduled_execution_time=datetime(LAST.year, LAST.month, LAST.day, 23, tzinfo=UTC),
        ) as context:
            return evening_screens(context)  # type: ignore[no-any-return]

    refused = screens()
    assert isinstance(refused, dg.SkipReason)
    assert "row_count" in (refused.skip_message or "")
    publish(tmp_path, LAST, 30)
    run(resources, dagster_instance, LAST, LAST)
    asked = screens()
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == str(LAST)


def test_actions_are_fetched_for_a_new_session_once(
    tmp_path: Path,
    resources: dict[str, object],
    dagster_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tick() -> list[dg.RunRequest]:
        context = dg.build_sensor_context(instance=dagster_instance)
        return list(actions_before_adjustment.evaluate_tick(context).run_requests or [])

    publish(tmp_path, LAST, 30)
    run(resources, dagster_instance, LAST, LAST)
    assert tick() == []
    monkeypatch.setenv("FALCON_MASSIVE_API_KEY", "key")
    (request,) = tick()
    assert request.run_config["ops"]["corporate_actions"]["config"] == {}
    dagster_instance.report_runless_asset_event(dg.AssetMaterialization("corporate_actions"))
    assert tick() == []
