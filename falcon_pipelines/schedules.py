"""What happens at a set time, New York. Catching up after downtime is the sensors' work."""

from collections.abc import Collection
from datetime import date

import dagster as dg

from falcon_pipelines.jobs import screen_market
from falcon_pipelines.partitions import NEW_YORK, profiles, screen_key


def screens_to_run(
    ingested: Collection[str], screened: Collection[str], profile_names: Collection[str]
) -> tuple[dg.MultiPartitionKey, ...]:
    """The newest ingested session's partition of each profile that has not screened it yet."""
    if not ingested:
        return ()
    newest = date.fromisoformat(max(ingested))
    wanted = (screen_key(newest, name) for name in sorted(profile_names))
    return tuple(key for key in wanted if key not in screened)


@dg.schedule(
    job=screen_market,
    # A session's file is complete about 11:00 the next day; Friday's comes on Saturday.
    cron_schedule="30 11 * * 2-6",
    execution_timezone=NEW_YORK,
    description="Screens the newest session with every profile.",
)
def daily_screens(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """Asks for the screens of the newest session that are not there yet."""
    instance = context.instance
    keys = screens_to_run(
        ingested=instance.get_materialized_partitions(dg.AssetKey("day_bars")),
        screened=instance.get_materialized_partitions(dg.AssetKey("screen_candidates")),
        profile_names=instance.get_dynamic_partitions(profiles.name or ""),
    )
    if not keys:
        return dg.SkipReason("no session is ingested, or every profile has screened the newest one")
    return [dg.RunRequest(run_key=str(key), partition_key=key) for key in keys]
