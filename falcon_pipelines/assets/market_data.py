"""Flat files to day bars, and the corporate actions that adjust them."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from falcon_pipelines.bars.flat_files import SYNTHETIC
from falcon_pipelines.bars.ingest import IngestResult, SessionFailed, ingest_actions, ingest_each
from falcon_pipelines.bars.validation import BAR_SCHEMA
from falcon_pipelines.partitions import trading_sessions
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.flat_files import FlatFiles

GROUP = "market_data"
OWNERS = ["team:falcon"]

_BAR_COLUMNS = dg.TableSchema([dg.TableColumn(name, str(dtype)) for name, dtype in BAR_SCHEMA.items()])


@dg.asset(
    partitions_def=trading_sessions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="flat_files",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"polars", "parquet"},
    code_version="1",
    metadata={"dagster/column_schema": _BAR_COLUMNS},
    description=(
        "Unadjusted day bars of every US stock, one checked Parquet file a session and revision. "
        "Rows in the source = good + quarantined, always."
    ),
)
def day_bars(context: dg.AssetExecutionContext, bars: Bars, flat_files: FlatFiles) -> dg.MaterializeResult:
    """Ingests the run's sessions; a session whose source file is unchanged costs no download.

    Sessions whose own file is bad do not hold up the others: those are recorded, then the run fails.
    """
    sessions = [date.fromisoformat(key) for key in context.partition_keys]
    store, source = bars.writer(), flat_files.source()
    done: list[IngestResult] = []
    failed: list[SessionFailed] = []
    for outcome in ingest_each(source, store, "day", sessions):
        if isinstance(outcome, SessionFailed):
            context.log.error(f"{outcome.session}: {outcome.error}")
            failed.append(outcome)
        else:
            done.append(outcome)
    if done:
        store.build_history("day", done[0].session, done[-1].session)
    synthetic = source.basis == SYNTHETIC
    if failed:
        for result in done:
            context.log_event(
                dg.AssetMaterialization(
                    context.asset_key,
                    partition=result.session.isoformat(),
                    metadata=_session_metadata(result, synthetic=synthetic),
                )
            )
        raise dg.Failure(
            f"{len(failed)} of {len(sessions)} sessions failed, first {failed[0].session}: {failed[0].error}",
            metadata={str(item.session): str(item.error) for item in failed},
        )
    for result in done:
        context.add_asset_metadata(
            _session_metadata(result, synthetic=synthetic), partition_key=result.session.isoformat()
        )
    context.log.info(
        f"{len(done)} sessions: {sum(r.rows for r in done)} rows, {sum(r.quarantined for r in done)} quarantined, "
        f"{sum(r.status == 'new_revision' for r in done)} new revisions"
    )
    return dg.MaterializeResult(metadata={"source": source.name})


def _session_metadata(result: IngestResult, *, synthetic: bool) -> dict[str, Any]:
    return {
        "dagster/partition_row_count": result.rows,
        "quarantined": result.quarantined,
        "status": result.status,
        "etag": result.etag,
        "data_version": result.version,
        "synthetic": synthetic,
    }


class ActionsFile(dg.Config):
    """Where the corporate actions come from."""

    path: str


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"csv", "parquet"},
    code_version="1",
    description="Splits, dividends and delistings. Bars stay as published: adjustment happens on read.",
)
def corporate_actions(
    context: dg.AssetExecutionContext, config: ActionsFile, bars: Bars
) -> dg.MaterializeResult:
    """Adds the file's actions to the store; unchanged content adds nothing."""
    entry = ingest_actions(bars.writer(), Path(config.path))
    version = bars.reader().current_version()
    rows = bars.reader().actions().height
    context.log.info(f"{rows} corporate actions, {'unchanged' if entry is None else 'new revision'}")
    return dg.MaterializeResult(
        metadata={"dagster/row_count": rows, "data_version": version, "unchanged": entry is None}
    )
