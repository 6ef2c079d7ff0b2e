"""Sensors that keep the bars complete and current, each a thin shell around decisions of `bars.upkeep`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.bars.calendar import NEW_YORK, sessions
from falcon_pipelines.bars.flat_files import FlatFileSource
from falcon_pipelines.bars.manifest import require_basis
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.upkeep import (
    ATTEMPTS,
    actions_due,
    as_ranges,
    label_of,
    may_try,
    missing_sessions,
    republished,
    sessions_kept,
    sessions_to_recheck,
)
from falcon_pipelines.errors import FalconError
from falcon_pipelines.jobs import ingest_corporate_actions, ingest_day_bars, ingest_minute_bars
from falcon_pipelines.partitions import history_start
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.flat_files import FlatFiles
from falcon_pipelines.run_states import FAILED, UNFINISHED

SESSIONS_A_RUN = {"day": 250, "minute": 21}
RUNS_A_TICK = 4
_JOBS = {"day": ingest_day_bars.name, "minute": ingest_minute_bars.name}
_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"
_PARTITION = "dagster/partition"
_FILES = "falcon/files"
_ACTIONS_FOR = "falcon/actions_for"
_KNOWN_BEFORE = timedelta(days=40)


@dataclass(frozen=True)
class Gap:
    """Neighbouring sessions to ingest in one run."""

    first: date
    last: date

    @property
    def label(self) -> str:
        """How the gap is named in run keys and messages."""
        return f"{self.first}..{self.last}"


def missing_gaps(
    calendar: Sequence[date],
    published: Collection[date],
    done: Collection[date],
    busy: Collection[date],
    most: int = SESSIONS_A_RUN["day"],
) -> tuple[Gap, ...]:
    """Published sessions that are neither done nor being worked on, as runs of neighbours in the calendar.

    Oldest first. A gap spans at most `most` sessions and none that is done, busy or unpublished.
    """
    missing = missing_sessions(calendar, published, {*done, *busy})
    return tuple(Gap(first, last) for first, last in as_ranges(missing, calendar, most))


@dg.sensor(
    job=ingest_day_bars,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ingests every published session that is missing, once, after an outage of any length.",
)
def missing_day_bars(
    context: dg.SensorEvaluationContext, flat_files: FlatFiles, bars: Bars
) -> dg.SensorResult:
    """Asks for the gaps between what the source has published and what is materialised."""
    source = _source(flat_files, bars)
    if isinstance(source, dg.SensorResult):
        return source
    return _ask_for_gaps(context, source, "day", _calendar())


@dg.sensor(
    job=ingest_minute_bars,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the minute bars of the newest sessions complete.",
)
def missing_minute_bars(
    context: dg.SensorEvaluationContext, flat_files: FlatFiles, bars: Bars
) -> dg.SensorResult:
    """As `missing_day_bars`, for as many of the newest sessions as the settings say."""
    source = _source(flat_files, bars)
    if isinstance(source, dg.SensorResult):
        return source
    kept = sessions_kept(_calendar(), settings.load().minute_sessions)
    return _ask_for_gaps(context, source, "minute", kept)


@dg.sensor(
    job=ingest_day_bars,
    minimum_interval_seconds=6 * 3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ingests sessions again whose file the source has replaced since.",
)
def republished_day_bars(
    context: dg.SensorEvaluationContext, flat_files: FlatFiles, bars: Bars
) -> dg.SensorResult:
    """Compares the ETags of the newest ten sessions with those that were ingested."""
    source = _source(flat_files, bars)
    if isinstance(source, dg.SensorResult):
        return source
    return _ask_for_republished(context, source, bars, "day")


@dg.sensor(
    job=ingest_minute_bars,
    minimum_interval_seconds=6 * 3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ingests minute bars again whose file the source has replaced since.",
)
def republished_minute_bars(
    context: dg.SensorEvaluationContext, flat_files: FlatFiles, bars: Bars
) -> dg.SensorResult:
    """Compares the ETags of the newest ten sessions with those that were ingested."""
    source = _source(flat_files, bars)
    if isinstance(source, dg.SensorResult):
        return source
    return _ask_for_republished(context, source, bars, "minute")


@dg.sensor(
    job=ingest_corporate_actions,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fetches corporate actions once for each new session, before its prices are adjusted.",
)
def actions_before_adjustment(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Asks for the actions when the newest session is younger than what is known of them."""
    if settings.load().massive_api_key is None:
        return dg.SensorResult(
            skip_reason="FALCON_MASSIVE_API_KEY is not set; actions come from files by hand"
        )
    ingested = context.instance.get_materialized_partitions(dg.AssetKey("day_bars"))
    newest = date.fromisoformat(max(ingested)) if ingested else None
    event = context.instance.get_latest_materialization_event(dg.AssetKey("corporate_actions"))
    fetched_at = datetime.fromtimestamp(event.timestamp, UTC) if event else None
    if newest is None or not actions_due(newest, fetched_at):
        return dg.SensorResult(skip_reason="the actions are as new as the bars")
    tags = {_ACTIONS_FOR: newest.isoformat()}
    failures, last = _failures(context.instance, ingest_corporate_actions.name, tags)
    busy = context.instance.get_runs_count(
        dg.RunsFilter(job_name=ingest_corporate_actions.name, statuses=UNFINISHED)
    )
    if busy or not may_try(failures, last, datetime.now(UTC)):
        return dg.SensorResult(skip_reason=f"being fetched, or failed {failures} times for {newest}")
    config = {"since": (newest - _KNOWN_BEFORE).isoformat()} if fetched_at else {}
    request = dg.RunRequest(
        run_key=f"actions:{newest}:{failures + 1}",
        tags=tags,
        run_config={"ops": {"corporate_actions": {"config": config}}},
    )
    return dg.SensorResult(run_requests=[request])


def _source(flat_files: FlatFiles, bars: Bars) -> FlatFileSource | dg.SensorResult:
    """Where to ask; nothing is asked for while no source is configured, or where its bars may not join those here."""
    try:
        source = flat_files.source()
        require_basis(bars.reader().log().basis, source.basis)
    except FalconError as obstacle:
        return dg.SensorResult(skip_reason=str(obstacle))
    return source


def _calendar() -> Sequence[date]:
    """The sessions that are kept complete, up to yesterday."""
    today = datetime.now(UTC).astimezone(NEW_YORK).date()
    return sessions(history_start(settings.load(), today), today - timedelta(days=1))


def _ask_for_gaps(
    context: dg.SensorEvaluationContext,
    source: FlatFileSource,
    frequency: Frequency,
    calendar: Sequence[date],
) -> dg.SensorResult:
    instance, job = context.instance, _JOBS[frequency]
    keys = instance.get_materialized_partitions(dg.AssetKey(f"{frequency}_bars"))
    done = {date.fromisoformat(key) for key in keys}
    busy = _sessions_in_progress(instance, job, calendar)
    wanted = [session for session in calendar if session not in done and session not in busy]
    published = source.files(frequency, wanted) if wanted else {}
    requests: list[dg.RunRequest] = []
    given_up: list[str] = []
    for gap in missing_gaps(calendar, published, done, busy, SESSIONS_A_RUN[frequency]):
        # A replaced file is another chance: what failed is counted for the files as they are now.
        files = label_of([file for session, file in published.items() if gap.first <= session <= gap.last])
        tags = _range(gap.first, gap.last) | {_FILES: files}
        failures, last = _failures(instance, job, tags)
        if failures >= ATTEMPTS:
            given_up.append(gap.label)
        elif len(requests) < RUNS_A_TICK and may_try(failures, last, datetime.now(UTC)):
            requests.append(dg.RunRequest(run_key=f"{gap.label}:{files}:{failures + 1}", tags=tags))
    if given_up:
        context.log.error(
            f"gave up after {ATTEMPTS} failed runs: {', '.join(given_up)}; mend and start {job} by hand"
        )
    if not requests:
        return dg.SensorResult(skip_reason=f"{len(done)} sessions ingested, nothing to ask for now")
    return dg.SensorResult(run_requests=requests)


def _ask_for_republished(
    context: dg.SensorEvaluationContext, source: FlatFileSource, bars: Bars, frequency: Frequency
) -> dg.SensorResult:
    known = bars.reader().log().sessions(frequency)
    recent = sessions_to_recheck(known)
    files = source.heads(frequency, recent)
    requests = []
    for session in republished({day: entry.etag for day, entry in known.items()}, files):
        tags = _range(session, session) | {_FILES: label_of([files[session]])}
        failures, last = _failures(context.instance, _JOBS[frequency], tags)
        if may_try(failures, last, datetime.now(UTC)):
            # A file may be put back to an earlier state: the revision it replaces tells the two apart.
            key = f"republished:{session}:{files[session].etag}:{known[session].revision}:{failures + 1}"
            requests.append(dg.RunRequest(run_key=key, tags=tags))
    if not requests:
        return dg.SensorResult(skip_reason=f"nothing to ask for: looked at the newest {len(recent)} sessions")
    return dg.SensorResult(run_requests=requests)


def _range(first: date, last: date) -> dict[str, str]:
    return {_RANGE_START: first.isoformat(), _RANGE_END: last.isoformat()}


def _sessions_in_progress(instance: dg.DagsterInstance, job: str, calendar: Sequence[date]) -> set[date]:
    busy: set[date] = set()
    for run in instance.get_runs(filters=dg.RunsFilter(job_name=job, statuses=UNFINISHED)):
        first = run.tags.get(_RANGE_START, run.tags.get(_PARTITION))
        last = run.tags.get(_RANGE_END, first)
        if first and last:
            busy |= {day for day in calendar if date.fromisoformat(first) <= day <= date.fromisoformat(last)}
    return busy


def _failures(instance: dg.DagsterInstance, job: str, tags: dict[str, str]) -> tuple[int, datetime | None]:
    """How many runs with those tags failed, and when the last of them did."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job, tags=tags, statuses=FAILED))
    ended = [record.end_time or record.update_timestamp.timestamp() for record in records]
    return len(records), datetime.fromtimestamp(max(ended), UTC) if ended else None


ALL_BAR_SENSORS = (
    missing_day_bars,
    missing_minute_bars,
    republished_day_bars,
    republished_minute_bars,
    actions_before_adjustment,
)
