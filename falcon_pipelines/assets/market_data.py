"""Flat files to day bars, and the corporate actions that adjust them."""

from datetime import date

import dagster as dg

from falcon_pipelines.bars.actions import file_etag, read_actions_csv
from falcon_pipelines.bars.ingest import ingest_sessions
from falcon_pipelines.bars.store import BAR_DTYPES
from falcon_pipelines.partitions import trading_sessions
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.flat_files import FlatFiles

GROUP = "market_data"
OWNERS = ["team:falcon"]

_BAR_COLUMNS = dg.TableSchema([dg.TableColumn(name, str(dtype)) for name, dtype in BAR_DTYPES.items()])


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
    """Ingests the run's sessions; a session whose source file is unchanged costs no download."""
    sessions = [date.fromisoformat(key) for key in context.partition_keys]
    store, source = bars.writer(), flat_files.source()
    rows = quarantined = revisions = 0
    for result in ingest_sessions(source, store, "day", sessions):
        context.add_asset_metadata(
            {
                "dagster/partition_row_count": result.rows,
                "quarantined": result.quarantined,
                "status": result.status,
                "etag": result.etag,
                "data_version": result.version,
                "synthetic": source.basis == "synthetic",
            },
            partition_key=result.session.isoformat(),
        )
        rows += result.rows
        quarantined += result.quarantined
        revisions += result.status == "new_revision"
    store.build_history("day", min(sessions), max(sessions))
    context.log.info(f"{len(sessions)} sessions: {rows} rows, {quarantined} quarantined, {revisions} new revisions")
    return dg.MaterializeResult(metadata={"source": source.name})


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
def corporate_actions(context: dg.AssetExecutionContext, config: ActionsFile, bars: Bars) -> dg.MaterializeResult:
    """Adds the file's actions to the store; unchanged content adds nothing."""
    from pathlib import Path

    path = Path(config.path)
    entry = bars.writer().add_actions(read_actions_csv(path), source=path.name, etag=file_etag(path))
    version = bars.reader().current_version()
    rows = bars.reader().actions().height
    context.log.info(f"{rows} corporate actions, {'unchanged' if entry is None else 'new revision'}")
    return dg.MaterializeResult(
        metadata={"dagster/row_count": rows, "data_version": version, "unchanged": entry is None}
    )
