"""Asset checks of screening; what is checked is decided in `screening.quality`."""

import warnings
from collections.abc import Iterator
from datetime import date

import dagster as dg
from dagster_shared.utils.warnings import PreviewWarning
from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.assets.screening import screen_candidates, screen_features
from falcon_pipelines.db.models import ScreenPool, ScreenRun
from falcon_pipelines.partitions import screen_sessions, screens
from falcon_pipelines.resources.database import Database
from falcon_pipelines.screening.quality import (
    Quality,
    alphabet_bias,
    levels_in_order,
    unique_candidates,
    universe_size,
)

_RUNS_BEFORE = 20
_RUNS_OF_ALPHABET = 60


def _specs(
    asset: dg.AssetsDefinition,
    partitions: dg.PartitionsDefinition,
    about: dict[str, str],
    blocking: tuple[str, ...],
) -> list[dg.AssetCheckSpec]:
    with warnings.catch_warnings():
        # Dagster calls partitioned checks a preview; without them a check says nothing of a single session.
        warnings.simplefilter("ignore", PreviewWarning)
        return [
            dg.AssetCheckSpec(
                name, asset=asset, description=text, blocking=name in blocking, partitions_def=partitions
            )
            for name, text in about.items()
        ]


@dg.multi_asset_check(
    name="screen_features_quality",
    specs=_specs(
        screen_features,
        screen_sessions,
        {
            "universe_size": "Tickers with a bar, against the median of the 20 sessions before.",
            "features_finite": "Every value that is there is a finite number.",
        },
        ("features_finite",),
    ),
)
def screen_features_quality(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Reads what the newest materialisations of the asset say of their tables."""
    run = context.op_execution_context
    key = run.partition_key
    records = run.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=screen_features.key), limit=_RUNS_BEFORE * 3
    ).records
    events = [record.asset_materialization for record in records if record.asset_materialization]
    own = next((event for event in events if event.partition == key), None)
    if own is None:
        return
    rows = {event.partition: _whole(event, "dagster/partition_row_count") for event in reversed(events)}
    before = [count for partition, count in sorted(rows.items()) if partition is not None and partition < key]
    yield _result(
        "universe_size",
        universe_size(_whole(own, "dagster/partition_row_count"), before[-_RUNS_BEFORE:]),
        dg.AssetCheckSeverity.WARN,
    )
    broken = _whole(own, "not_finite")
    yield _result(
        "features_finite",
        Quality(not broken, f"{broken} values are not finite", {"not_finite": broken}),
        dg.AssetCheckSeverity.ERROR,
    )


@dg.multi_asset_check(
    name="screen_candidates_quality",
    specs=_specs(
        screen_candidates,
        screens,
        {
            "candidates_unique": "Each ticker is picked once.",
            "levels_in_order": "Stop, entry range, close and target lie in order.",
            "alphabet_bias": "Picks begin with each letter as often as the pools they come from.",
        },
        ("candidates_unique", "levels_in_order"),
    ),
)
def screen_candidates_quality(
    context: dg.AssetCheckExecutionContext, database: Database
) -> Iterator[dg.AssetCheckResult]:
    """Checks the newest stored run of the partition, and the letters of the profile's last 60."""
    key = context.op_execution_context.partition_key
    assert isinstance(key, dg.MultiPartitionKey)
    keys = key.keys_by_dimension
    with database.transaction() as session:
        run = session.scalar(
            select(ScreenRun)
            .where(
                ScreenRun.profile == keys["profile"], ScreenRun.session == date.fromisoformat(keys["session"])
            )
            .order_by(ScreenRun.id.desc())
            .limit(1)
        )
        picks = run.picks if run is not None else []
        error, warn = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
        yield _result("candidates_unique", unique_candidates(picks), error)
        yield _result("levels_in_order", levels_in_order(picks), error)
        yield _result("alphabet_bias", alphabet_bias(_letters(session, keys["profile"])), warn)


def _letters(session: Session, profile: str) -> list[tuple[list[str], list[str]]]:
    rows = session.execute(
        select(ScreenRun, ScreenPool)
        .join(ScreenPool, ScreenPool.run_id == ScreenRun.id)
        .where(ScreenRun.profile == profile)
        .order_by(ScreenRun.id.desc())
        .limit(_RUNS_OF_ALPHABET)
    ).all()
    return [([pick.ticker for pick in run.picks], pool.tickers) for run, pool in rows]


def _whole(event: dg.AssetMaterialization, name: str) -> int:
    value = event.metadata.get(name)
    return int(value.value) if value is not None and isinstance(value.value, int | float) else 0


def _result(name: str, quality: Quality, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=quality.passed,
        severity=severity,
        description=quality.description,
        metadata={
            key: dg.MetadataValue.json(value) if isinstance(value, list) else value
            for key, value in quality.seen.items()
        },
    )


SCREEN_CHECKS = (screen_features_quality, screen_candidates_quality)
