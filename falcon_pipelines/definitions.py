"""The map of everything Dagster knows: one explicit Definitions."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from falcon_pipelines.assets.market_data import corporate_actions, day_bars, minute_bars, securities
from falcon_pipelines.assets.paper_books import BOOK_ASSETS
from falcon_pipelines.assets.research import backtests, weigh_evidence
from falcon_pipelines.assets.screening import screen_candidates, screen_features, screen_record
from falcon_pipelines.assets.trading import paper_trades, promotions
from falcon_pipelines.assets.videos import strategy_specs, transcripts
from falcon_pipelines.bar_sensors import ALL_BAR_SENSORS
from falcon_pipelines.canary import canary, canary_every_five_minutes
from falcon_pipelines.checks import ALL_CHECKS
from falcon_pipelines.jobs import ALL_JOBS
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.resources.flat_files import FlatFiles
from falcon_pipelines.resources.language_models import LanguageModels
from falcon_pipelines.resources.videos import Videos
from falcon_pipelines.schedules import (
    daily_books,
    daily_freshness,
    daily_record,
    evening_screens,
    midday_screens,
    morning_screens,
    weekly_corporate_actions,
    weekly_securities,
)
from falcon_pipelines.screen_checks import SCREEN_CHECKS
from falcon_pipelines.screen_sensors import asked_screens, scheduled_screens
from falcon_pipelines.sensors import decisions, new_specs, reports
from falcon_pipelines.trading_sensors import halted_accounts, live_trading
from falcon_pipelines.video_sensors import overlays, submissions, transcript_folder, watched_feeds


def build_definitions(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions; `resource_overrides` replaces resources by name, for tests."""
    database = Database()
    resources = {
        "database": database,
        "bars": Bars(database=database),
        "flat_files": FlatFiles(),
        "videos": Videos(),
        "language_models": LanguageModels(database=database),
    }
    return dg.Definitions(
        assets=[
            day_bars,
            minute_bars,
            corporate_actions,
            securities,
            screen_features,
            screen_candidates,
            screen_record,
            transcripts,
            strategy_specs,
            backtests,
            weigh_evidence,
            promotions,
            paper_trades,
            *BOOK_ASSETS,
        ],
        asset_checks=[*ALL_CHECKS, *SCREEN_CHECKS],
        jobs=[*ALL_JOBS, canary],
        schedules=[
            canary_every_five_minutes,
            daily_books,
            daily_freshness,
            morning_screens,
            midday_screens,
            evening_screens,
            daily_record,
            weekly_corporate_actions,
            weekly_securities,
        ],
        sensors=[
            *ALL_BAR_SENSORS,
            submissions,
            transcript_folder,
            watched_feeds,
            overlays,
            scheduled_screens,
            asked_screens,
            new_specs,
            decisions,
            reports,
            halted_accounts,
            live_trading,
        ],
        resources=resources | dict(resource_overrides or {}),
    )


defs = build_definitions()
