"""Sensors that start screens: every scheduled profile once features are there, and what people ask for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
from sqlalchemy import select

from falcon_pipelines.db.models import ScreenRun
from falcon_pipelines.jobs import screen_market
from falcon_pipelines.partitions import SCREENS_START, profiles, screen_key
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.run_states import FAILED, UNFINISHED

EVENTS_A_TICK = 6
REQUESTS_A_TICK = 25
_REQUEST = "falcon/request"


@dataclass(frozen=True)
class FeaturesMade:
    """Features of one session's run that were made; `event` numbers them."""

    event: int
    session: date
    slot: str


def screens_to_start(
    made: Sequence[FeaturesMade],
    scheduled: Mapping[str, Collection[str]],
    done: Collection[tuple[str, date, str]],
) -> list[tuple[FeaturesMade, str]]:
    """Each profile that is scheduled for a run whose features were made and that has not been run for it.

    `scheduled` has the runs of the day of each profile, `done` profile, session and run of what is stored.
    """
    return [
        (features, name)
        for features in made
        for name, slots in sorted(scheduled.items())
        if features.slot in slots and (name, features.session, features.slot) not in done
    ]


@dg.sensor(
    job=screen_market,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Screens with every profile that is scheduled for a run as soon as its features are made.",
)
def scheduled_screens(context: dg.SensorEvaluationContext, database: Database) -> dg.SensorResult:
    """Asks once for each profile and run; the cursor is the newest event that was looked at."""
    from falcon_pipelines.profiles.store import list_profiles, seed_bundled

    after = int(context.cursor) if context.cursor else None
    found = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("screen_features"), after_storage_id=after),
        limit=EVENTS_A_TICK,
        ascending=True,
    ).records
    made = [features for record in found if (features := _features_made(record)) is not None]
    cursor = str(found[-1].storage_id) if found else context.cursor
    with database.transaction() as session:
        seed_bundled(session)
        scheduled = {one.name: one.profile.schedule for one in list_profiles(session)}
        done = {
            (row.profile, row.session, row.slot)
            for row in session.execute(
                select(ScreenRun.profile, ScreenRun.session, ScreenRun.slot).where(
                    ScreenRun.session.in_({features.session for features in made}), ScreenRun.state == "done"
                )
            )
        }
    requests = [
        _request(
            name,
            features.session,
            features.slot,
            key=f"{features.session}:{features.slot}:{name}:{features.event}",
        )
        for features, name in screens_to_start(made, scheduled, done)
    ]
    if not requests:
        return dg.SensorResult(skip_reason="no new features, or no profile scheduled for them", cursor=cursor)
    _add_partitions(context.instance, scheduled)
    return dg.SensorResult(run_requests=requests, cursor=cursor)


def _features_made(record: dg.EventLogRecord) -> FeaturesMade | None:
    event = record.asset_materialization
    if event is None or event.partition is None:
        return None
    slot = event.metadata.get("slot")
    return FeaturesMade(
        record.storage_id, date.fromisoformat(event.partition), str(slot.value) if slot else "evening"
    )


@dg.sensor(
    job=screen_market,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Does what people ask for: store, delete or restore a profile, decide on weights, run a screen.",
)
def asked_screens(context: dg.SensorEvaluationContext, database: Database, bars: Bars) -> dg.SensorResult:
    """Answers each request in its row; a screen's is answered by its run, or here where the run came to nothing."""
    from falcon_pipelines.db.requests import answer
    from falcon_pipelines.screening.requests import act

    with database.transaction() as session:
        asked, told = act(session, bars.reader().sessions("day"), SCREENS_START)
        for text in told:
            context.log.info(text)
        requests = []
        for one in asked[:REQUESTS_A_TICK]:
            of_request = {_REQUEST: str(one.request)}
            failed = context.instance.get_runs_count(
                dg.RunsFilter(job_name=screen_market.name, tags=of_request, statuses=FAILED)
            )
            busy = context.instance.get_runs_count(
                dg.RunsFilter(job_name=screen_market.name, tags=of_request, statuses=UNFINISHED)
            )
            if failed and not busy:
                answer(session, one.request, "refused", "the run failed; look at it in Dagster")
            elif not busy:
                requests.append(
                    _request(
                        one.profile, one.session, one.slot, key=f"request:{one.request}", request=one.request
                    )
                )
    if not requests:
        return dg.SensorResult(skip_reason=f"{len(told)} requests answered, no screen is waiting to start")
    _add_partitions(context.instance, {one.profile for one in asked})
    return dg.SensorResult(run_requests=requests)


def _add_partitions(instance: dg.DagsterInstance, names: Collection[str]) -> None:
    """Make the profiles known. Dagster checks a multi-partition key before it acts on a request to add one."""
    instance.add_dynamic_partitions(str(profiles.name), sorted(names))


def _request(name: str, session: date, slot: str, *, key: str, request: int = 0) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=key,
        partition_key=screen_key(session, name),
        run_config={"ops": {"screen_candidates": {"config": {"slot": slot, "request": request}}}},
        tags={_REQUEST: str(request)} if request else {},
    )
