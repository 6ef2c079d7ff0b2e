"""Screening in Dagster: features of a session, every scheduled profile's candidates, requests, checks, the record."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from falcon_pipelines.db.candidates import candidates
from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.db.models import Request, ScreenPick, ScreenRecord, ScreenRun
from falcon_pipelines.db.requests import ask
from falcon_pipelines.definitions import build_definitions
from falcon_pipelines.partitions import screen_key, screen_sessions
from falcon_pipelines.profiles.documents import dump_profile
from falcon_pipelines.profiles.store import delete_profile, list_profiles, save_profile, seed_bundled
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.schedules import evening_screens, midday_screens, morning_screens, run_to_start
from falcon_pipelines.screen_sensors import (
    FeaturesMade,
    asked_screens,
    scheduled_screens,
    screens_to_start,
)
from falcon_pipelines.screening.quality import (
    alphabet_bias,
    levels_in_order,
    unique_candidates,
    universe_size,
)
from tests.conftest import new_database
from tests.screening.markets import profile

START = date(2024, 1, 2)
DAYS = sessions_from(START, 60)
DAY = DAYS[-8]


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(url=database_url)


@pytest.fixture(scope="module")
def market_data(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bar store of 60 sessions, to be read only."""
    folder = tmp_path_factory.mktemp("screens")
    write_synthetic_flat_files(folder / "flat", tickers=30, sessions=60, start=START)
    with new_database(postgres, template="falcon") as url:
        engine = database_engine(url)
        store = BarStore(folder / "store", engine)
        list(ingest_range(DirectorySource(folder / "flat"), store, "day", DAYS[0], DAYS[-1]))
        engine.dispose()
    return folder / "store"


@pytest.fixture
def defs(
    tmp_path: Path, market_data: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> dg.Definitions:
    for name in ("FALCON_REFERENCE_SOURCE", "FALCON_LLM_PROVIDERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FALCON_HOME", str(tmp_path))
    with database.transaction() as session:
        seed_bundled(session)
        for one in list_profiles(session):
            delete_profile(session, one.name, "test")
        ours = profile(name="ours", horizon_sessions=5, schedule=["morning", "evening"], filters=[], top_k=4)
        save_profile(session, dump_profile(ours), "test")
        cheap = [{"name": "pe", "direction": "lower", "weight": 1}]
        other = profile(name="other", schedule=["midday"], filters=[], factors=cheap)
        save_profile(session, dump_profile(other), "test")
    return build_definitions({"database": database, "bars": Bars(root=str(market_data), database=database)})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def start(
    defs: dg.Definitions, instance: dg.DagsterInstance, job: str, request: Any = None, **given: Any
) -> Any:
    if request is not None:
        given = {
            "partition_key": request.partition_key,
            "run_config": request.run_config,
            "tags": request.tags,
        }
    return defs.resolve_job_def(job).execute_in_process(instance=instance, **given)


def tick(
    sensor: dg.SensorDefinition, defs: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None = None
) -> Any:
    resources = {name: (defs.resources or {})[name] for name in sensor.required_resource_keys}
    with (
        # The daemon sets it for every tick.
        dg.partition_loading_context(dynamic_partitions_store=instance),
        dg.build_sensor_context(
            instance=instance, cursor=cursor, resources=resources, repository_def=defs.get_repository_def()
        ) as context,
    ):
        return sensor.evaluate_tick(context)


def features(defs: dg.Definitions, instance: dg.DagsterInstance, day: date, slot: str) -> Any:
    config = {"ops": {"screen_features": {"config": {"slot": slot}}}}
    return start(defs, instance, "compute_features", partition_key=day.isoformat(), run_config=config)


def test_features_then_candidates_then_the_record(
    defs: dg.Definitions, instance: dg.DagsterInstance, database: Database
) -> None:
    made = features(defs, instance, DAY, "evening")
    checks = {check.check_name: check.passed for check in made.get_asset_check_evaluations()}
    assert checks == {"universe_size": True, "features_finite": True}
    first = tick(scheduled_screens, defs, instance)
    assert [request.partition_key for request in first.run_requests] == [screen_key(DAY, "ours")]
    done = start(defs, instance, "screen_market", first.run_requests[0])
    checks = {check.check_name: check.passed for check in done.get_asset_check_evaluations()}
    assert checks == {"candidates_unique": True, "levels_in_order": True, "alphabet_bias": True}
    assert not tick(scheduled_screens, defs, instance, first.cursor).run_requests
    with database.transaction() as session:
        [run] = session.scalars(select(ScreenRun)).all()
        assert (run.profile, run.profile_version, run.session, run.slot, run.bars_session) == (
            "ours",
            1,
            DAY,
            "evening",
            DAY,
        )
        assert len(run.picks) == 4
        assert len(candidates(session)) == 4
    assert start(defs, instance, "score_screens").success
    with database.transaction() as session:
        [record] = session.scalars(select(ScreenRecord)).all()
        assert (record.profile, record.runs, record.picks) == ("ours", 1, 4)
        assert record.verdict.startswith("insufficient (4 of 100)")


def test_a_morning_run_sees_the_session_before_and_a_profile_without_inputs_is_skipped(
    defs: dg.Definitions, instance: dg.DagsterInstance, database: Database
) -> None:
    features(defs, instance, DAY, "morning")
    features(defs, instance, DAY, "midday")
    result = tick(scheduled_screens, defs, instance)
    for request in result.run_requests:
        assert start(defs, instance, "screen_market", request).success
    with database.transaction() as session:
        runs = {run.profile: run for run in session.scalars(select(ScreenRun))}
        assert set(runs) == {"ours", "other"}
        assert (runs["ours"].slot, runs["ours"].bars_session) == ("morning", DAYS[-9])
        assert runs["ours"].entry_session == DAY
        assert (runs["other"].state, runs["other"].picks) == ("skipped", [])
        assert "FALCON_REFERENCE_SOURCE" in str(runs["other"].reason)


def test_what_people_ask_for_is_done_and_answered(
    defs: dg.Definitions, instance: dg.DagsterInstance, database: Database
) -> None:
    with database.transaction() as session:
        ask(
            session,
            "save_profile",
            {"document": dump_profile(profile(name="asked", filters=[], top_k=2))},
            "ann",
        )
        ask(session, "run_screen", {"profile": "asked"}, "ann")
        ask(session, "run_screen", {"profile": "other"}, "ann")
    first = tick(asked_screens, defs, instance)
    assert [request.run_key for request in first.run_requests] == ["request:2", "request:3"]
    for request in first.run_requests:
        assert start(defs, instance, "screen_market", request).success
    assert not tick(asked_screens, defs, instance).run_requests
    with database.transaction() as session:
        answers = [
            (row.outcome, str(row.answer)) for row in session.scalars(select(Request).order_by(Request.id))
        ]
    assert answers[0] == ("done", "asked is stored as version 1")
    assert answers[1] == ("done", f"run 1: 2 picks of {DAYS[-1]}")
    assert answers[2][0] == "refused"
    assert answers[2][1].startswith("skipped: pe: ")


def test_a_run_that_fails_answers_the_request_it_was_for(
    defs: dg.Definitions, instance: dg.DagsterInstance, database: Database
) -> None:
    with database.transaction() as session:
        ask(session, "run_screen", {"profile": "ours"}, "ann")
    [request] = tick(asked_screens, defs, instance).run_requests
    run = instance.create_run_for_job(defs.resolve_job_def("screen_market"), tags=dict(request.tags))
    assert not tick(asked_screens, defs, instance).run_requests  # under way
    instance.report_run_failed(run)
    assert not tick(asked_screens, defs, instance).run_requests
    with database.transaction() as session:
        [row] = session.scalars(select(Request)).all()
        assert (row.outcome, row.answer) == ("refused", "the run failed; look at it in Dagster")


@pytest.mark.parametrize(
    ("schedule", "hour", "slot"),
    [(morning_screens, 4, "morning"), (midday_screens, 10, "midday"), (evening_screens, 19, "evening")],
)
def test_schedules_start_on_sessions_in_new_york_time(
    defs: dg.Definitions, instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, hour: int, slot: str
) -> None:
    assert (schedule.cron_schedule, schedule.execution_timezone) == (f"0 {hour} * * *", "America/New_York")

    def at(day: date) -> Any:
        # 19:00 New York in winter is past midnight in UTC.
        moment = (
            datetime(day.year, day.month, day.day, hour + 5, tzinfo=UTC)
            if hour < 19
            else datetime(day.year, day.month, day.day + 1, 0, tzinfo=UTC)
        )
        resources = {name: (defs.resources or {})[name] for name in ("database", "bars")}
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=moment,
            resources=resources,
            repository_def=defs.get_repository_def(),
        ) as context:
            return schedule.evaluate_tick(context)

    [request] = at(DAY).run_requests
    assert (request.partition_key, request.run_key) == (DAY.isoformat(), f"{DAY}:{slot}")
    assert request.run_config["ops"]["screen_features"]["config"] == {"slot": slot}
    assert "no trading session" in at(date(2024, 2, 19)).skip_message


def test_decisions() -> None:
    assert run_to_start(DAY, "evening", True, ["a"], True) is None
    assert "no profile" in str(run_to_start(DAY, "evening", True, [], True))
    assert "no day bars" in str(run_to_start(DAY, "evening", True, ["a"], False))
    made = [FeaturesMade(1, DAY, "evening"), FeaturesMade(2, DAY, "morning")]
    scheduled = {"b": ["evening"], "a": ["evening", "morning"]}
    started = screens_to_start(made, scheduled, {("a", DAY, "evening")})
    assert [(features.slot, name) for features, name in started] == [("evening", "b"), ("morning", "a")]


def test_partitions_are_bounded_and_have_sessions_only() -> None:
    keys = screen_sessions.get_partition_keys(current_time=datetime(2024, 3, 4, 12, tzinfo=UTC))
    assert keys[0] == "2022-01-03"
    assert keys[-1] == "2024-03-04"
    assert "2024-02-19" not in keys
    assert len(keys) < 600


def pick(ticker: str, rank: int, **changes: float) -> ScreenPick:
    levels = {"stop": 1.0, "entry_low": 2.0, "close": 3.0, "entry_high": 4.0, "target": 5.0} | changes
    return ScreenPick(ticker=ticker, rank=rank, **levels)


def test_checks_find_what_is_wrong() -> None:
    good = [pick("A", 1), pick("B", 2)]
    assert unique_candidates(good).passed
    assert not unique_candidates([pick("A", 1), pick("A", 2)]).passed
    assert levels_in_order(good).passed
    assert levels_in_order([pick("A", 1, stop=2.5)]).seen["wrong"] == ["A"]
    assert universe_size(950, [1000, 1010, 990]).passed
    assert not universe_size(850, [1000, 1010, 990]).passed
    assert not universe_size(0, []).passed
    pool = [f"{letter}{n}" for letter in "ABCDEFGH" for n in range(50)]
    alphabetical = [pool[10 * n : 10 * n + 10] for n in range(5)]
    biased = alphabet_bias([(picks, pool) for picks in alphabetical])
    assert not biased.passed
    assert biased.seen["letter"] == "A"
    spread = pool[::7]
    assert alphabet_bias([(spread, pool)]).passed
