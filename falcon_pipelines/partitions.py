"""What Dagster's assets are split by: trading sessions, profiles, videos, strategy specs."""

from datetime import date, datetime, time, timedelta

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.bars.calendar import last_session, sessions

NEW_YORK = "America/New_York"
FIRST_SESSION = date(1998, 1, 2)


def _weekday_holidays() -> list[datetime]:
    """Mondays to Fridays without trading, as far as the calendar knows."""
    end = last_session()
    trading = set(sessions(FIRST_SESSION, end))
    days = (FIRST_SESSION + timedelta(days=n) for n in range((end - FIRST_SESSION).days + 1))
    return [_naive_midnight(day) for day in days if day.weekday() < 5 and day not in trading]


def _naive_midnight(day: date) -> datetime:
    """Midnight without a zone, as Dagster wants it: it adds the partitions' own."""
    return datetime.combine(day, time())


# Weekends are exclusions, not part of the cron schedule: with `1-5` Friday would stay hidden until Monday.
trading_sessions = dg.TimeWindowPartitionsDefinition(
    start=_naive_midnight(FIRST_SESSION),
    fmt="%Y-%m-%d",
    timezone=NEW_YORK,
    cron_schedule="0 0 * * *",
    exclusions=["0 0 * * 6", "0 0 * * 0", *_weekday_holidays()],
)

profiles = dg.DynamicPartitionsDefinition(name="profiles")
videos = dg.DynamicPartitionsDefinition(name="videos")
strategy_specs = dg.DynamicPartitionsDefinition(name="strategy_specs")

# Bounded: screens are of the last years; older ones are replayed with `falcon screen backtest`.
SCREENS_START = date(2022, 1, 3)
screen_sessions = dg.TimeWindowPartitionsDefinition(
    start=_naive_midnight(SCREENS_START),
    fmt="%Y-%m-%d",
    timezone=NEW_YORK,
    cron_schedule="0 0 * * *",
    # A morning run is of the day itself.
    end_offset=1,
    exclusions=[
        "0 0 * * 6",
        "0 0 * * 0",
        *(day for day in _weekday_holidays() if day.date() >= SCREENS_START),
    ],
)
screens = dg.MultiPartitionsDefinition({"session": screen_sessions, "profile": profiles})


def screen_key(session: date, profile: str) -> dg.MultiPartitionKey:
    """The partition of one profile's screen of one session."""
    return dg.MultiPartitionKey({"session": session.isoformat(), "profile": profile})


def history_start(configured: settings.Settings, today: date) -> date:
    """The first day that is kept complete: FALCON_HISTORY_START, else five years before `today`."""
    start = configured.history_start or today - timedelta(days=5 * 365 + 1)
    return max(start, FIRST_SESSION)
