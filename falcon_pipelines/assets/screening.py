"""From day bars to candidates: the features of a session, and each profile's picks of it."""

from datetime import date
from typing import Any

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.assets.market_data import OWNERS, columns, day_bars, minute_bars
from falcon_pipelines.partitions import screen_sessions, screens
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database

GROUP = "screening"
_PICK_COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("rank", "int"),
        dg.TableColumn("ticker", "string"),
        dg.TableColumn("score", "float", "weighted percentile, 0 to 1"),
        dg.TableColumn("close", "float", "US dollars"),
        dg.TableColumn("stop", "float", "US dollars"),
        dg.TableColumn("target", "float", "US dollars"),
    ]
)


_BARS_SO_FAR = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)


class RunOfTheDay(dg.Config):
    """Which of the day's runs: morning and midday see the bars of the session before, evening its own."""

    slot: str = "evening"


class CandidatesConfig(RunOfTheDay):
    """A run, and the request it answers (0: nobody asked)."""

    request: int = 0


@dg.asset(
    partitions_def=screen_sessions,
    deps=[
        dg.AssetDep(
            day_bars, partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-259, end_offset=0)
        ),
        dg.AssetDep(minute_bars, partition_mapping=dg.TimeWindowPartitionMapping()),
    ],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"polars", "parquet"},
    code_version="1",
    metadata=columns(ticker="string", price="float", atr_14="float", traded="float"),
    description="Every feature that a stored profile needs, of all tickers, in one pass over the history.",
)
def screen_features(
    context: dg.AssetExecutionContext, config: RunOfTheDay, bars: Bars, database: Database
) -> dg.MaterializeResult:
    """Computes and keeps the features of the partition's session as the run of the day may see them."""
    from falcon_pipelines.profiles.store import list_profiles, seed_bundled
    from falcon_pipelines.screening.feature_files import write_features
    from falcon_pipelines.screening.runs_of_the_day import market_features

    with database.transaction() as session:
        seed_bundled(session)
        stored = [one.profile for one in list_profiles(session)]
    store = bars.reader()
    features = market_features(
        stored, store, settings.load(), date.fromisoformat(context.partition_key), config.slot
    )
    path = write_features(store.root, features)
    numbers = [name for name, kind in features.table.schema.items() if kind.is_float()]
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": features.table.height,
            "slot": config.slot,
            "bars_session": str(features.bars_session),
            "data_version": features.version,
            "reference": features.reference_version or "none",
            "missing": dg.MetadataValue.json(dict(features.missing)),
            "known_values": dg.MetadataValue.json(
                {name: int(features.table[name].is_not_null().sum()) for name in numbers}
            ),
            "not_finite": int(sum((~features.table[name].is_finite()).sum() for name in numbers)),
            "path": dg.MetadataValue.path(str(path)),
            "synthetic": features.synthetic,
        }
    )


@dg.asset(
    partitions_def=screens,
    deps=[screen_features],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "postgres"},
    code_version="2",
    metadata={"dagster/column_schema": _PICK_COLUMNS},
    description="Ranked candidates of one profile and session, each with entry range, stop, target and data version.",
)
def screen_candidates(
    context: dg.AssetExecutionContext, config: CandidatesConfig, bars: Bars, database: Database
) -> dg.MaterializeResult:
    """Screens the partition's session with its profile, has a model judge where one is configured, stores the run."""
    from falcon_pipelines.screening.charts import renew_benchmark, renew_charts, tickers_to_draw
    from falcon_pipelines.screening.runs_of_the_day import screen_and_store

    keys = context.partition_key.keys_by_dimension
    stored = screen_and_store(
        keys["profile"],
        date.fromisoformat(keys["session"]),
        config.slot,
        bars.reader(),
        database.engine,
        settings.load(),
        request=config.request or None,
    )
    made = stored.screen
    with database.transaction() as session:
        store = bars.reader()
        renew_charts(session, store, tickers_to_draw(session, store.current_version()))
        renew_benchmark(session, store, settings.load().benchmark)
    if made.reason is not None:
        context.log.warning(f"{keys['profile']} skipped: {made.reason}")
    records = [
        dg.TableRecord(
            {
                "rank": pick.rank,
                "ticker": pick.ticker,
                "score": pick.score,
                "close": pick.close,
                "stop": pick.stop,
                "target": pick.target,
            }
        )
        for pick in made.kept
    ]
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": len(made.kept),
        "state": "done" if made.reason is None else "skipped",
        "reason": made.reason or "",
        "slot": made.slot,
        "screen_run": stored.run_id,
        "profile_version": stored.profile_version,
        "considered": made.considered,
        "universe": made.universe,
        "judged_by": made.judged_by,
        "data_version": made.version,
        "synthetic": made.synthetic,
        "picks": dg.MetadataValue.table(records, _PICK_COLUMNS),
    }
    return dg.MaterializeResult(metadata=metadata)


@dg.asset(
    deps=[
        dg.AssetDep(screen_candidates, partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep(day_bars, partition_mapping=dg.AllPartitionMapping()),
    ],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "postgres"},
    code_version="1",
    metadata=columns(profile="string", runs="int", picks="int", verdict="string", through="date"),
    description="What the picks were worth against their pool, the benchmark and random picks, once horizons close.",
)
def screen_record(context: dg.AssetExecutionContext, bars: Bars, database: Database) -> dg.MaterializeResult:
    """Settles the runs whose horizon has closed and keeps every profile's record."""
    from falcon_pipelines.screening.bar_sources import StoreBars
    from falcon_pipelines.screening.track import record_all

    with database.transaction() as session:
        settled, made = record_all(session, StoreBars(bars.reader()))
    records = [
        dg.TableRecord(
            {
                "profile": one.profile,
                "runs": one.factors.runs,
                "picks": one.factors.picks,
                "verdict": one.factors.verdict,
                "through": str(one.factors.through or ""),
            }
        )
        for one in made
    ]
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": len(made),
        "settled_runs": len(settled),
        "records": dg.MetadataValue.table(records) if records else "no profile has runs",
    }
    return dg.MaterializeResult(metadata=metadata)
