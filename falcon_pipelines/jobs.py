"""What can be started: one job for each stretch of the road."""

import dagster as dg

from falcon_pipelines.run_workers.queues import ANYWHERE, DATA, QUEUE_TAG

_HERE = {QUEUE_TAG: DATA}
_ANYWHERE = {QUEUE_TAG: ANYWHERE}
_IN_ONE_PROCESS = dg.in_process_executor

ingest_day_bars = dg.define_asset_job(
    "ingest_day_bars",
    selection=dg.AssetSelection.assets("day_bars"),
    description="Flat files of the chosen sessions into checked, versioned bars.",
    executor_def=_IN_ONE_PROCESS,
    tags={**_HERE, "dagster/max_runtime": "7200"},
)
ingest_minute_bars = dg.define_asset_job(
    "ingest_minute_bars",
    selection=dg.AssetSelection.assets("minute_bars"),
    description="Minute flat files of the chosen sessions into checked, versioned bars.",
    executor_def=_IN_ONE_PROCESS,
    tags={**_HERE, "dagster/max_runtime": "14400"},
)
check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("day_bars"), "fresh")),
    description="Are the day bars as new as they should be?",
    executor_def=_IN_ONE_PROCESS,
    tags=_HERE,
)
ingest_corporate_actions = dg.define_asset_job(
    "ingest_corporate_actions",
    selection=dg.AssetSelection.assets("corporate_actions"),
    description="Splits, dividends and delistings.",
    executor_def=_IN_ONE_PROCESS,
    tags=_HERE,
)
ingest_securities = dg.define_asset_job(
    "ingest_securities",
    selection=dg.AssetSelection.assets("securities"),
    description="Who each ticker was when: renames, delistings, reuse.",
    executor_def=_IN_ONE_PROCESS,
    tags=_HERE,
)
compute_features = dg.define_asset_job(
    "compute_features",
    selection=dg.AssetSelection.assets("screen_features"),
    description="The features of one session, for every profile's screen.",
    executor_def=_IN_ONE_PROCESS,
    tags={**_HERE, "dagster/max_runtime": "1800"},
)
screen_market = dg.define_asset_job(
    "screen_market",
    selection=dg.AssetSelection.assets("screen_candidates"),
    description="One profile's candidates of one session.",
    executor_def=_IN_ONE_PROCESS,
    tags={**_HERE, "dagster/max_runtime": "1800"},
)
score_screens = dg.define_asset_job(
    "score_screens",
    selection=dg.AssetSelection.assets("screen_record"),
    description="Outcomes of the picks whose horizon has closed, and every profile's record.",
    executor_def=_IN_ONE_PROCESS,
    tags={**_HERE, "dagster/max_runtime": "3600"},
)
study_videos = dg.define_asset_job(
    "study_videos",
    selection=dg.AssetSelection.assets("transcripts", "strategy_specs"),
    description="A video's words into a strategy spec with its evidence.",
    executor_def=_IN_ONE_PROCESS,
    tags=_HERE,
)
judge_strategies = dg.define_asset_job(
    "judge_strategies",
    selection=dg.AssetSelection.assets("backtests", "sweeps", "walk_forwards", "verdicts"),
    description="A spec's backtest and the verdict it allows.",
    executor_def=_IN_ONE_PROCESS,
    tags=_HERE,
)
trade_on_paper = dg.define_asset_job(
    "trade_on_paper",
    selection=dg.AssetSelection.assets("promotions", "paper_trades"),
    description="Promoted strategies traded on paper up to the newest session.",
    executor_def=_IN_ONE_PROCESS,
    tags=_HERE,
)
close_books = dg.define_asset_job(
    "close_books",
    selection=dg.AssetSelection.assets(
        "orders_intended",
        "fills",
        "positions",
        "equity",
        "performance",
        "skipped_trades",
        "reconciliation",
        "corporate_actions_lived",
        "daily_report",
    ),
    description="After the close: the books proved, what happened shown, the report sent.",
    executor_def=_IN_ONE_PROCESS,
    tags=_HERE,
)
prove_books = dg.define_asset_job(
    "prove_books",
    selection=dg.AssetSelection.assets("reconciliation"),
    description="Every account's books proved from the database.",
    executor_def=_IN_ONE_PROCESS,
    tags=_ANYWHERE,
)

ALL_JOBS = (
    ingest_day_bars,
    ingest_minute_bars,
    check_freshness,
    ingest_corporate_actions,
    ingest_securities,
    compute_features,
    screen_market,
    score_screens,
    study_videos,
    judge_strategies,
    trade_on_paper,
    close_books,
    prove_books,
)
