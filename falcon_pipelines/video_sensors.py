"""Sensors that bring talks in: what people ask for, the watched folder, watched feeds, overlays people choose."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy import select

from falcon_pipelines.db import models
from falcon_pipelines.db.requests import LayOverlay, answer, parse_payload, waiting
from falcon_pipelines.errors import FalconError
from falcon_pipelines.jobs import study_videos
from falcon_pipelines.partitions import strategy_specs
from falcon_pipelines.partitions import videos as transcript_ids
from falcon_pipelines.resources.database import Database
from falcon_pipelines.resources.videos import Videos
from falcon_pipelines.run_states import FAILED, UNFINISHED
from falcon_pipelines.run_workers.queues import ANYWHERE, DATA, QUEUE_TAG

ATTEMPTS = 5
SECONDS_FOR_FEEDS = 25.0
"""A tick may take a minute; a feed that is begun within this time is still answered in it."""
_TRANSCRIPT = "falcon/transcript"


@dataclass(frozen=True)
class Wanted:
    """A transcript to study: `attempt` counts what was tried since it was asked for."""

    id: str
    attempt: int
    asked_at: datetime


@dataclass(frozen=True)
class Tries:
    """What Dagster knows of the studying of one transcript since it was asked for."""

    busy: bool
    failed: int


def studies_to_start(
    wanted: Sequence[Wanted], tries: Callable[[Wanted], Tries], queue: str
) -> tuple[list[dg.RunRequest], list[str]]:
    """A run for each transcript that nobody works on, and the ids of those whose runs keep failing.

    The run key names the attempt: a run that crashed is followed by another, one that is known is not repeated.
    `queue` says which nodes can read the transcripts.
    """
    requests: list[dg.RunRequest] = []
    given_up: list[str] = []
    for item in wanted:
        known = tries(item)
        if known.busy:
            continue
        if known.failed >= ATTEMPTS:
            given_up.append(item.id)
            continue
        key = f"{item.id}:{int(item.asked_at.timestamp())}:{item.attempt}.{known.failed}"
        tags = {_TRANSCRIPT: item.id, QUEUE_TAG: queue}
        requests.append(dg.RunRequest(run_key=key, partition_key=item.id, tags=tags))
    return requests, given_up


def _tries(instance: dg.DagsterInstance) -> Callable[[Wanted], Tries]:
    def of(item: Wanted) -> Tries:
        tags = {_TRANSCRIPT: item.id}
        busy = instance.get_runs_count(
            dg.RunsFilter(job_name=study_videos.name, tags=tags, statuses=UNFINISHED)
        )
        failed = instance.get_runs_count(
            dg.RunsFilter(job_name=study_videos.name, tags=tags, statuses=FAILED, created_after=item.asked_at)
        )
        return Tries(busy > 0, failed)

    return of


def _result(
    context: dg.SensorEvaluationContext, requests: Sequence[dg.RunRequest], nothing: str
) -> dg.SensorResult:
    if not requests:
        return dg.SensorResult(skip_reason=nothing)
    keys = [str(request.partition_key) for request in requests]
    return dg.SensorResult(
        run_requests=requests, dynamic_partitions_requests=[transcript_ids.build_add_request(keys)]
    )


@dg.sensor(
    job=study_videos,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts what people ask for, and videos whose time has come; other hosts than YouTube's are refused.",
)
def submissions(context: dg.SensorEvaluationContext, database: Database) -> dg.SensorResult:
    """Answers each request in its row, then asks for a run for every video that is due."""
    from falcon_pipelines.strategies.videos import ledger
    from falcon_pipelines.strategies.videos.submissions import act

    now = datetime.now(UTC)
    with database.transaction() as session:
        answers = act(session, now)
    for text in answers:
        context.log.info(text)
    with database.transaction() as session:
        due = [Wanted(d.id, d.attempt, d.asked_at) for d in ledger.due_videos(session, now)]
        requests, given_up = studies_to_start(due, _tries(context.instance), ANYWHERE)
        for video in given_up:
            ledger.give_up(session, video, f"{ATTEMPTS} runs failed")
    return _result(context, requests, f"{len(answers)} requests answered, no video is due")


@dg.sensor(
    job=study_videos,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Studies every transcript file that is put into the watched folder, once.",
)
def transcript_folder(
    context: dg.SensorEvaluationContext, database: Database, videos: Videos
) -> dg.SensorResult:
    """Looks at the folder, keeps what became of each file, and asks for a run for each accepted one."""
    from falcon_pipelines.strategies.videos import folder

    now = datetime.now(UTC)
    with database.transaction() as session:
        changed = folder.look(videos.watched_folder(), folder.known_files(session), now)
        folder.store_files(session, changed)
        accepted = [
            Wanted(file.transcript_id, 1, file.seen_at)
            for file in folder.known_files(session).values()
            if file.state == "accepted" and file.transcript_id
        ]
        requests, given_up = studies_to_start(accepted, _tries(context.instance), DATA)
        for transcript_id in given_up:
            folder.mark_file(
                session, transcript_id, "failed", f"{ATTEMPTS} runs failed; look at them in Dagster"
            )
    for file in changed:
        context.log.info(f"{file.name}: {file.state}: {file.detail}")
    return _result(context, requests, f"{len(changed)} files changed, none is to be studied")


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks at watched channels and playlists for new videos; a failed look moves nothing.",
)
def watched_feeds(context: dg.SensorEvaluationContext, database: Database, videos: Videos) -> dg.SkipReason:
    """Notes what is new in each feed whose time has come; `submissions` then asks for it."""
    from falcon_pipelines.strategies.videos import ledger
    from falcon_pipelines.strategies.videos.addresses import feed
    from falcon_pipelines.strategies.videos.polling import PollFailed

    began = time.monotonic()
    with database.transaction() as session:
        due = ledger.due_feeds(session, datetime.now(UTC))
    new = failed = looked = 0
    for url, cursor in due:
        if time.monotonic() - began > SECONDS_FOR_FEEDS:
            break
        looked += 1
        try:
            found = videos.poller()(feed(url), cursor)
        except PollFailed as problem:
            failed += 1
            context.log.warning(str(problem))
            with database.transaction() as session:
                ledger.store_failed_poll(session, url, str(problem), datetime.now(UTC))
            continue
        new += len(found.new)
        with database.transaction() as session:
            ledger.store_poll(session, url, found, datetime.now(UTC))
    return dg.SkipReason(f"{looked} feeds looked at, {new} new videos, {failed} could not be read")


@dg.sensor(
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers strategies with what people chose to assume, to be backtested.",
)
def overlays(context: dg.SensorEvaluationContext, database: Database) -> dg.SensorResult:
    """Answers each request in its row; `new_specs` then backtests and judges the variant."""
    from falcon_pipelines.strategies.studies import lay_over_stored

    runnable: list[str] = []
    with database.transaction() as session:
        for request in waiting(session, ("lay_overlay",)):
            try:
                payload = LayOverlay.model_validate(parse_payload(request.kind, request.payload).model_dump())
                name, complete = lay_over_stored(session, payload.spec, payload.choices, request.requested_by)
            except FalconError as error:
                answer(session, request.id, "refused", str(error))
                continue
            if complete:
                runnable.append(name)
                answer(
                    session,
                    request.id,
                    "done",
                    f"{name} is backtested next; what was chosen is marked assumed",
                )
            else:
                answer(session, request.id, "done", f"{name} is stored; it still has no exit and is not run")
    # A name is added again where the daemon stopped between the answer and the partition.
    with database.transaction() as session:
        stored = session.scalars(
            select(models.StrategySpec.name)
            .join(models.StrategyVariant, models.StrategyVariant.spec_id == models.StrategySpec.id)
            .where(models.StrategyVariant.kind == "overlay", models.StrategyVariant.runnable)
        ).all()
    present = set(context.instance.get_dynamic_partitions(str(strategy_specs.name)))
    missing = sorted({*runnable, *stored} - present)
    if not missing:
        return dg.SensorResult(skip_reason="no overlay to run")
    return dg.SensorResult(
        skip_reason=f"to be backtested: {', '.join(missing)}",
        dynamic_partitions_requests=[strategy_specs.build_add_request(missing)],
    )
