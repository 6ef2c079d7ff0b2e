"""What happens at a set time, New York. Catching up after downtime is the sensors' work."""

from collections.abc import Collection, Sequence
from datetime import date
from zoneinfo import ZoneInfo

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.bars.calendar import is_session
from falcon_pipelines.bars.quality import QualityResult
from falcon_pipelines.bars.session_quality import check_session
from falcon_pipelines.jobs import (
    check_freshness,
    close_books,
    ingest_corporate_actions,
    ingest_securities,
    screen_market,
)
from falcon_pipelines.partitions import NEW_YORK, profiles, screen_key
from falcon_pipelines.resources.bar_store import Bars


def screens_to_run(
    ingested: Collection[str], screened: Collection[str], profile_names: Collection[str]
) -> tuple[dg.MultiPartitionKey, ...]:
    """The newest ingested session's partition of each profile that has not screened it yet."""
    if not ingested:
        return ()
    newest = date.fromisoformat(max(ingested))
    wanted = (screen_key(newest, name) for name in sorted(profile_names))
    return tuple(key for key in wanted if key not in screened)


def unfit(results: Sequence[QualityResult]) -> str | None:
    """Why a session must not be used, None when it may."""
    failed = [f"{r.name}: {r.description}" for r in results if r.severity == "ERROR" and not r.passed]
    return "; ".join(failed) or None


@dg.schedule(
    job=screen_market,
    # A session's file is complete about 11:00 the next day; Friday's comes on Saturday.
    cron_schedule="30 11 * * 2-6",
    execution_timezone=NEW_YORK,
    description="Screens the newest session with every profile.",
)
def daily_screens(context: dg.ScheduleEvaluationContext, bars: Bars) -> list[dg.RunRequest] | dg.SkipReason:
    """Asks for the screens of the newest session that are not there yet, unless its bars have an error."""
    instance = context.instance
    keys = screens_to_run(
        ingested=instance.get_materialized_partitions(dg.AssetKey("day_bars")),
        screened=instance.get_materialized_partitions(dg.AssetKey("screen_candidates")),
        profile_names=instance.get_dynamic_partitions(profiles.name or ""),
    )
    if not keys:
        return dg.SkipReason("no session is ingested, or every profile has screened the newest one")
    store, newest = bars.reader(), date.fromisoformat(keys[0].keys_by_dimension["session"])
    if not store.is_synthetic() and newest in store.sessions():
        problem = unfit(check_session(store, newest, warnings=False))
        if problem is not None:
            return dg.SkipReason(f"{newest} is not screened: {problem}")
    return [dg.RunRequest(run_key=str(key), partition_key=key) for key in keys]


@dg.schedule(
    job=check_freshness,
    # After the grace of `upkeep`: the file is complete at 11:00, and six hours are left for it to arrive.
    cron_schedule="15 17 * * *",
    execution_timezone=NEW_YORK,
    description="Looks whether the newest expected session has arrived.",
)
def daily_freshness() -> dg.RunRequest:
    """Asks every day, weekends too: Friday's file comes on Saturday."""
    return dg.RunRequest()


@dg.schedule(
    job=ingest_corporate_actions,
    cron_schedule="0 9 * * 6",
    execution_timezone=NEW_YORK,
    description="Fetches splits, dividends and delistings from Massive.",
)
def weekly_corporate_actions() -> dg.RunRequest | dg.SkipReason:
    """Needs an API key; without one, actions come from files by hand."""
    if settings.load().massive_api_key is None:
        return dg.SkipReason(
            "FALCON_MASSIVE_API_KEY is not set; start ingest_corporate_actions with a file instead"
        )
    return dg.RunRequest()


@dg.schedule(
    job=close_books,
    # After the latest regular close, so that a day's last bars are in.
    cron_schedule="30 17 * * 1-5",
    execution_timezone=NEW_YORK,
    description="Proves the books, shows what happened on paper and sends the report.",
)
def daily_books(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Asks on sessions only, once for each."""
    day = context.scheduled_execution_time.astimezone(ZoneInfo(NEW_YORK)).date()
    if not is_session(day):
        return dg.SkipReason(f"{day} is no session")
    return dg.RunRequest(run_key=f"books:{day}")


@dg.schedule(
    job=ingest_securities,
    cron_schedule="30 9 * * 6",
    execution_timezone=NEW_YORK,
    description="Fetches who each ticker is and was from Massive: renames, delistings, reuse.",
)
def weekly_securities() -> dg.RunRequest | dg.SkipReason:
    """Needs an API key; without one, securities come from files by hand."""
    if settings.load().massive_api_key is None:
        return dg.SkipReason("FALCON_MASSIVE_API_KEY is not set; start ingest_securities with a file instead")
    return dg.RunRequest()
