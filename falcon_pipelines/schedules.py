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
    compute_features,
    ingest_corporate_actions,
    ingest_securities,
    score_screens,
)
from falcon_pipelines.partitions import NEW_YORK
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database


def run_to_start(
    day: date, slot: str, is_trading_day: bool, wanted_by: Collection[str], has_bars: bool
) -> str | None:
    """Why the run of the day is not started; None where it is."""
    if not is_trading_day:
        return f"{day} is no trading session"
    if not has_bars:
        return "no day bars are ingested"
    if not wanted_by:
        return f"no profile is scheduled for the {slot}"
    return None


def _features_schedule(slot: str, hour: int) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{slot}_screens",
        job=compute_features,
        cron_schedule=f"0 {hour} * * *",
        execution_timezone=NEW_YORK,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"The {slot} run at {hour:02}:00 on sessions: features first, then every profile scheduled for it.",
    )
    def screens(
        context: dg.ScheduleEvaluationContext, database: Database, bars: Bars
    ) -> dg.RunRequest | dg.SkipReason:
        from falcon_pipelines.profiles.store import list_profiles, seed_bundled

        day = context.scheduled_execution_time.astimezone(ZoneInfo(NEW_YORK)).date()
        with database.transaction() as session:
            seed_bundled(session)
            wanted = [one.name for one in list_profiles(session) if slot in one.profile.schedule]
        store = bars.reader()
        visible = [known for known in store.sessions("day") if known <= day]
        reason = run_to_start(day, slot, is_session(day), wanted, bool(visible))
        if reason is None and not store.is_synthetic():
            problem = unfit(check_session(store, visible[-1], warnings=False))
            reason = f"the bars of {visible[-1]} have an error: {problem}" if problem else None
        if reason is not None:
            return dg.SkipReason(reason)
        return dg.RunRequest(
            run_key=f"{day}:{slot}",
            partition_key=day.isoformat(),
            run_config={"ops": {"screen_features": {"config": {"slot": slot}}}},
        )

    return screens


morning_screens, midday_screens, evening_screens = (
    _features_schedule(slot, hour) for slot, hour in (("morning", 4), ("midday", 10), ("evening", 19))
)


def unfit(results: Sequence[QualityResult]) -> str | None:
    """Why a session must not be used, None when it may."""
    failed = [f"{r.name}: {r.description}" for r in results if r.severity == "ERROR" and not r.passed]
    return "; ".join(failed) or None


@dg.schedule(
    job=score_screens,
    # A session's file is complete about 11:00 the next day; Friday's comes on Saturday.
    cron_schedule="0 12 * * *",
    execution_timezone=NEW_YORK,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Scores the picks whose horizon has closed.",
)
def daily_record() -> dg.RunRequest:
    """Asks every day: what has not closed waits."""
    return dg.RunRequest()


@dg.schedule(
    job=check_freshness,
    # After the grace of `upkeep`: the file is complete at 11:00, and six hours are left for it to arrive.
    cron_schedule="15 17 * * *",
    execution_timezone=NEW_YORK,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks whether the newest expected session has arrived.",
)
def daily_freshness() -> dg.RunRequest:
    """Asks every day, weekends too: Friday's file comes on Saturday."""
    return dg.RunRequest()


@dg.schedule(
    job=ingest_corporate_actions,
    cron_schedule="0 9 * * 6",
    execution_timezone=NEW_YORK,
    default_status=dg.DefaultScheduleStatus.RUNNING,
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
    default_status=dg.DefaultScheduleStatus.RUNNING,
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
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Fetches who each ticker is and was from Massive: renames, delistings, reuse.",
)
def weekly_securities() -> dg.RunRequest | dg.SkipReason:
    """Needs an API key; without one, securities come from files by hand."""
    if settings.load().massive_api_key is None:
        return dg.SkipReason("FALCON_MASSIVE_API_KEY is not set; start ingest_securities with a file instead")
    return dg.RunRequest()
