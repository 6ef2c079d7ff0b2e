"""How the checks of bars are declared in Dagster, and how what they found of a session is recorded there.

What is checked is decided in `falcon_pipelines.bars`; who checks is an asset or one of `falcon_pipelines.checks`.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

import dagster as dg
from dagster_shared.utils.warnings import PreviewWarning

from falcon_pipelines.bars.quality import QualityResult
from falcon_pipelines.bars.refusals import FILE_CHECKS
from falcon_pipelines.bars.session_quality import ERROR_CHECKS, WARN_CHECKS
from falcon_pipelines.partitions import trading_sessions

REFUSALS = tuple(reason.check for reason in FILE_CHECKS)
_EACH_RECORDED = 25
_ABOUT = {
    "readable": "The file is complete and can be read to its end.",
    "declared_columns": "The file has the declared columns, in their order.",
    "right_session": "At least half of the rows are of the session in the file's name.",
    "unique_keys": "No two rows give different bars for one ticker and time.",
    "usable_rows": "The file has at least one row that can be used.",
    "row_count": "No more than 10 % fewer rows than the median of the 20 sessions before.",
    "ticker_count": "No more than 10 % fewer tickers than the median of the 20 sessions before.",
    "quarantined_share": "At most 0.1 % of the rows are quarantined.",
    "large_moves": "No close moved by more than 40 % without a split.",
    "zero_volume": "No bar is without volume.",
    "stale_closes": "No close has stayed the same for 5 sessions.",
    "gaps": "No ticker that traded on each of the 5 sessions before is absent without a delisting.",
    "day_against_minutes": "Highs and lows agree with those of the regular minutes to 1 %.",
}


def check_specs(asset: dg.AssetKey | str, names: Iterable[str]) -> list[dg.AssetCheckSpec]:
    """A check of each session for every name; all but the warnings stop what would be made of a session."""
    with warnings.catch_warnings():
        # Dagster calls partitioned checks a preview; without them a check says nothing of a single session.
        warnings.simplefilter("ignore", PreviewWarning)
        return [
            dg.AssetCheckSpec(
                name,
                asset=asset,
                description=_ABOUT[name],
                blocking=name not in WARN_CHECKS,
                partitions_def=trading_sessions,
            )
            for name in names
        ]


def record(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    asset: dg.AssetKey,
    keys: Sequence[str],
    results: Iterable[tuple[str, Sequence[QualityResult]]],
    *,
    stops: bool = True,
) -> Iterator[dg.AssetCheckResult]:
    """One evaluation for each session and check, and for the run the worst of each check.

    `keys` are the run's sessions, `results` those that were checked. Without `stops`, faults are shown as warnings.
    """
    last = _last_values(context.instance, asset)
    failed_before = _failed(context.instance, asset, keys) if len(keys) > _EACH_RECORDED else frozenset()
    worst: dict[str, tuple[str, QualityResult]] = {}
    for key, found in results:
        for result in found:
            present = worst.get(result.name)
            if present is None or (present[1].passed and not result.passed):
                worst[result.name] = key, result
            # Of the many sessions of a backfill, only those with something to see are recorded one by one.
            seen = len(keys) <= _EACH_RECORDED or not result.passed or (result.name, key) in failed_before
            if len(keys) > 1 and seen:
                evaluation = dg.AssetCheckEvaluation(
                    asset_key=asset,
                    check_name=result.name,
                    passed=result.passed,
                    severity=_severity(result, stops=stops),
                    description=result.description,
                    metadata=_metadata(result, key, last),
                    blocking=result.name in ERROR_CHECKS + REFUSALS,
                    partition=key,
                )
                context.log_event(evaluation)  # type: ignore[arg-type]  # accepted, though its signature omits it
    for name, (key, result) in worst.items():
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=name,
            passed=result.passed,
            severity=_severity(result, stops=stops),
            description=result.description,
            metadata=_metadata(result, key, last) | {"sessions": len(keys)},
        )


def _severity(result: QualityResult, *, stops: bool) -> dg.AssetCheckSeverity:
    is_error = result.severity == "ERROR" and stops
    return dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN


def _metadata(
    result: QualityResult, session: str, last: Mapping[str, dg.MetadataValue]
) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {
        "session": dg.MetadataValue.text(session),
        "count": dg.MetadataValue.int(result.count),
        "threshold": dg.MetadataValue.float(float(result.threshold)),
    }
    if result.value is not None:
        shown["value"] = dg.MetadataValue.float(float(result.value))
    if result.name in last:
        shown["last_value"] = last[result.name]
    if result.sample:
        shown["top_rows"] = dg.MetadataValue.table(
            [dg.TableRecord({name: _plain(value) for name, value in row.items()}) for row in result.sample]
        )
    if result.quarantine_file is not None:
        shown["quarantine_file"] = dg.MetadataValue.path(result.quarantine_file)
    return shown


def _plain(value: object) -> str | float | int | bool | None:
    return value if isinstance(value, str | float | int | bool | None) else str(value)


def _last_values(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[str, dg.MetadataValue]:
    """What each check of the asset measured the time before."""
    keys = [dg.AssetCheckKey(asset, name) for name in _ABOUT]
    found: dict[str, dg.MetadataValue] = {}
    for key in keys:
        for old in instance.event_log_storage.get_asset_check_execution_history(key, limit=2):
            event = old.event.dagster_event if old.event else None
            if event is not None and event.event_type_value == "ASSET_CHECK_EVALUATION":
                value = event.asset_check_evaluation_data.metadata.get("value")
                if value is not None:
                    found.setdefault(key.name, value)
    return found


def _failed(
    instance: dg.DagsterInstance, asset: dg.AssetKey, keys: Sequence[str]
) -> frozenset[tuple[str, str | None]]:
    """The checks and sessions whose newest evaluation failed."""
    infos = instance.event_log_storage.get_asset_check_partition_info(
        [dg.AssetCheckKey(asset, name) for name in _ABOUT], partition_keys=list(keys)
    )
    return frozenset(
        (info.check_key.name, info.partition_key)
        for info in infos
        if info.latest_execution_status.value == "FAILED"
    )
