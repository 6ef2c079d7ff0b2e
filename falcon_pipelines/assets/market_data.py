"""Flat files to day bars, and the corporate actions that adjust them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.assets.bar_checks import REFUSALS, check_specs, record
from falcon_pipelines.bars.actions import ACTION_SCHEMA, actions_table, file_etag
from falcon_pipelines.bars.flat_files import SYNTHETIC, FlatFileSource
from falcon_pipelines.bars.ingest import (
    IngestResult,
    SessionFailed,
    ingest_actions,
    ingest_each,
    refresh_securities,
)
from falcon_pipelines.bars.massive_rest import MASSIVE
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.quality import file_results
from falcon_pipelines.bars.refusals import BadFlatFile
from falcon_pipelines.bars.securities import SECURITY_SCHEMA, read_securities_csv
from falcon_pipelines.bars.sources import actions_from_settings
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.validation import BAR_SCHEMA
from falcon_pipelines.partitions import trading_sessions
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.flat_files import FlatFiles

GROUP = "market_data"
OWNERS = ["team:falcon"]
Outcome = dg.MaterializeResult | dg.AssetCheckResult


def columns(**types: str) -> dict[str, dg.TableSchema]:
    """Asset metadata that declares the columns of what is stored, by name and type."""
    return {"dagster/column_schema": dg.TableSchema([dg.TableColumn(n, t) for n, t in types.items()])}


_BAR_COLUMNS = columns(**{name: str(dtype) for name, dtype in BAR_SCHEMA.items()})


@dg.asset(
    partitions_def=trading_sessions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="flat_files",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"polars", "parquet"},
    code_version="1",
    metadata=_BAR_COLUMNS,
    check_specs=check_specs("day_bars", REFUSALS),
    output_required=False,
    description=(
        "Unadjusted day bars of every US stock, one checked Parquet file a session and revision. "
        "Rows in the source = good + quarantined, always."
    ),
)
def day_bars(context: dg.AssetExecutionContext, bars: Bars, flat_files: FlatFiles) -> Iterator[Outcome]:
    """Ingests the run's sessions; a session whose source file is unchanged costs no download."""
    yield from _ingest(context, bars.writer(), flat_files.source(), "day")


@dg.asset(
    partitions_def=trading_sessions,
    # A month of minutes is some gigabytes of flat files.
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=21),
    pool="flat_files",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"polars", "parquet"},
    code_version="1",
    metadata=_BAR_COLUMNS,
    check_specs=check_specs("minute_bars", REFUSALS),
    output_required=False,
    description="Unadjusted minute bars, pre- and post-market included, stored like the day bars.",
)
def minute_bars(context: dg.AssetExecutionContext, bars: Bars, flat_files: FlatFiles) -> Iterator[Outcome]:
    """Ingests the run's sessions; a session whose source file is unchanged costs no download."""
    yield from _ingest(context, bars.writer(), flat_files.source(), "minute")


def _ingest(
    context: dg.AssetExecutionContext, store: BarStore, source: FlatFileSource, frequency: Frequency
) -> Iterator[Outcome]:
    """One bad or missing file does not hold up the other sessions of the run.

    A file that is refused fails a blocking check of its session, a missing one the run; either way that session is
    not materialised and stays a gap, and what was stored of it before stays.
    """
    done: list[IngestResult] = []
    failed: list[SessionFailed] = []
    for outcome in ingest_each(
        source, store, frequency, [date.fromisoformat(k) for k in context.partition_keys]
    ):
        if isinstance(outcome, SessionFailed):
            context.log.error(f"{outcome.session}: {outcome.error}")
            failed.append(outcome)
        else:
            done.append(outcome)
    if done:
        store.build_history(frequency, done[0].session, done[-1].session)
    context.log.info(
        f"{len(done)} sessions: {sum(r.rows for r in done)} rows, {sum(r.quarantined for r in done)} quarantined, "
        f"{sum(r.status == 'new_revision' for r in done)} new revisions; {len(failed)} failed"
    )
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
    else:
        for result in done:
            context.add_asset_metadata(
                _session_metadata(result, synthetic=synthetic), partition_key=result.session.isoformat()
            )
        yield dg.MaterializeResult(metadata={"source": source.name})
    found = [(result.session.isoformat(), file_results()) for result in done]
    found += [
        (o.session.isoformat(), file_results(o.error)) for o in failed if isinstance(o.error, BadFlatFile)
    ]
    yield from record(context, context.asset_key, context.partition_keys, found)
    unpublished = [item for item in failed if not isinstance(item.error, BadFlatFile)]
    if unpublished:
        raise dg.Failure(
            f"{len(unpublished)} of {len(context.partition_keys)} sessions could not be fetched, "
            f"first {unpublished[0].session}: {unpublished[0].error}",
            metadata={str(item.session): str(item.error) for item in unpublished},
        )


def _session_metadata(result: IngestResult, *, synthetic: bool) -> dict[str, Any]:
    return {
        "dagster/partition_row_count": result.rows,
        "quarantined": result.quarantined,
        "status": result.status,
        "etag": result.etag,
        "data_version": result.version,
        "synthetic": synthetic,
    }


class ActionsSource(dg.Config):
    """A CSV file of corporate actions; without one, Massive's API is asked."""

    path: str | None = None
    since: str = "2003-09-10"


@dg.asset(
    pool="massive_rest",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"csv", "parquet"},
    code_version="1",
    metadata=columns(**{name: str(dtype) for name, dtype in ACTION_SCHEMA.items()}),
    description="Splits, dividends and delistings. Bars stay as published: adjustment happens on read.",
)
def corporate_actions(
    context: dg.AssetExecutionContext, config: ActionsSource, bars: Bars
) -> dg.MaterializeResult:
    """Adds what is new to the store; unchanged content adds nothing."""
    store = bars.writer()
    if config.path is not None:
        entry, uncertain = ingest_actions(store, Path(config.path)), 0
    else:
        since = date.fromisoformat(config.since)
        fetched = actions_from_settings(settings.load()).corporate_actions(since)
        entry = store.add_actions(actions_table(list(fetched.actions)), MASSIVE, f"since {since}", since)
        uncertain = len(fetched.uncertain)
        for dividend in fetched.uncertain:
            context.log.warning(
                f"{dividend.action.ticker} {dividend.action.ex_date}: dividend taken as reported"
            )
    rows = store.actions().height
    context.log.info(f"{rows} corporate actions, {'unchanged' if entry is None else 'new revision'}")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "data_version": store.current_version(),
            "unchanged": entry is None,
            "uncertain_dividends": uncertain,
        }
    )


class SecuritiesSource(dg.Config):
    """A CSV file of securities; without one, Massive's API is asked."""

    path: str | None = None


@dg.asset(
    pool="massive_rest",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"csv", "parquet"},
    code_version="1",
    metadata=columns(**{name: str(dtype) for name, dtype in SECURITY_SCHEMA.items()}),
    description="Who each ticker was on which day: our own ids through renames, delistings and reuse.",
)
def securities(
    context: dg.AssetExecutionContext, config: SecuritiesSource, bars: Bars
) -> dg.MaterializeResult:
    """Adds what is new to the store; unchanged content adds nothing."""
    store = bars.writer()
    asked = 0
    if config.path is not None:
        path = Path(config.path)
        entry = store.add_securities(read_securities_csv(path), "csv", file_etag(path))
    else:
        fetched, entry = refresh_securities(store, actions_from_settings(settings.load()))
        asked = fetched.asked
        if fetched.changes_refused:
            context.log.warning(f"renames come from delistings only: {fetched.changes_refused}")
    rows = store.securities().height
    context.log.info(f"{rows} intervals, {'unchanged' if entry is None else 'new revision'}")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "data_version": store.current_version(),
            "unchanged": entry is None,
            "asked_for_changes": asked,
        }
    )
