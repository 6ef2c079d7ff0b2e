"""Asset checks: what must hold of what was made. What is checked of bars is decided in `bars.quality`."""

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster_shared.utils.warnings import PreviewWarning

from falcon_pipelines import settings
from falcon_pipelines.assets.market_data import day_bars, minute_bars
from falcon_pipelines.assets.paper_books import reconciliation
from falcon_pipelines.assets.trading import paper_trades
from falcon_pipelines.bars.calendar import sessions
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.quality import QualityResult
from falcon_pipelines.bars.session_quality import ERROR_CHECKS, WARN_CHECKS, check_sessions
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.upkeep import freshness
from falcon_pipelines.partitions import history_start, trading_sessions
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database

_EACH_RECORDED = 25
_ABOUT = {
    "row_count": "No more than 10 % fewer rows than the median of the 20 sessions before.",
    "ticker_count": "No more than 10 % fewer tickers than the median of the 20 sessions before.",
    "quarantined_share": "At most 0.1 % of the rows are quarantined.",
    "large_moves": "No close moved by more than 40 % without a split.",
    "zero_volume": "No bar is without volume.",
    "stale_closes": "No close has stayed the same for 5 sessions.",
    "gaps": "No ticker that traded on each of the 5 sessions before is absent without a delisting.",
    "day_against_minutes": "Highs and lows agree with those of the regular minutes to 1 %.",
}


def _specs(asset: dg.AssetsDefinition, names: tuple[str, ...]) -> list[dg.AssetCheckSpec]:
    with warnings.catch_warnings():
        # Dagster calls partitioned checks a preview; without them a check says nothing of a single session.
        warnings.simplefilter("ignore", PreviewWarning)
        return [
            dg.AssetCheckSpec(
                name,
                asset=asset,
                description=_ABOUT[name],
                blocking=name in ERROR_CHECKS,
                partitions_def=trading_sessions,
            )
            for name in names
        ]


@dg.multi_asset_check(name="day_bars_quality", specs=_specs(day_bars, ERROR_CHECKS + WARN_CHECKS))
def day_bars_quality(context: dg.AssetCheckExecutionContext, bars: Bars) -> Iterator[dg.AssetCheckResult]:
    """Checks every session of the run; a session with an error stops what would be made of it."""
    yield from _check_sessions(context, bars.reader(), "day", day_bars.key)


@dg.multi_asset_check(name="minute_bars_quality", specs=_specs(minute_bars, ERROR_CHECKS))
def minute_bars_quality(context: dg.AssetCheckExecutionContext, bars: Bars) -> Iterator[dg.AssetCheckResult]:
    """Checks every session of the run."""
    yield from _check_sessions(context, bars.reader(), "minute", minute_bars.key)


def _check_sessions(
    context: dg.AssetCheckExecutionContext, store: BarStore, frequency: Frequency, asset: dg.AssetKey
) -> Iterator[dg.AssetCheckResult]:
    """One evaluation per session and check; a run over several sessions also gets the worst of each check."""
    run = context.op_execution_context
    keys = list(run.partition_keys) if run.has_partition_key_range or run.has_partition_key else []
    version, synthetic = store.current_version(), store.is_synthetic()
    worst: dict[str, tuple[str, QualityResult]] = {}
    for session, results in check_sessions(
        store, [date.fromisoformat(key) for key in keys], frequency, version
    ):
        key = session.isoformat()
        for result in results:
            present = worst.get(result.name)
            if present is None or (present[1].passed and not result.passed):
                worst[result.name] = key, result
            # Of the many sessions of a backfill, only those with something to see are recorded one by one.
            if len(keys) > 1 and (len(keys) <= _EACH_RECORDED or not result.passed):
                evaluation = dg.AssetCheckEvaluation(
                    asset_key=asset,
                    check_name=result.name,
                    passed=result.passed,
                    severity=_severity(result, synthetic=synthetic),
                    description=result.description,
                    metadata=_metadata(result, key),
                    blocking=result.name in ERROR_CHECKS,
                    partition=key,
                )
                run.log_event(evaluation)  # type: ignore[arg-type]  # accepted, though its signature omits it
    for name, (key, result) in worst.items():
        yield dg.AssetCheckResult(
            check_name=name,
            passed=result.passed,
            severity=_severity(result, synthetic=synthetic),
            description=result.description,
            metadata=_metadata(result, key) | {"sessions": len(keys)},
        )


def _severity(result: QualityResult, *, synthetic: bool) -> dg.AssetCheckSeverity:
    # Made-up bars have their faults on purpose: they are shown, and stop nothing.
    stops = result.severity == "ERROR" and not synthetic
    return dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN


def _metadata(result: QualityResult, session: str) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {
        "session": dg.MetadataValue.text(session),
        "count": dg.MetadataValue.int(result.count),
        "threshold": dg.MetadataValue.float(float(result.threshold)),
    }
    if result.value is not None:
        shown["value"] = dg.MetadataValue.float(float(result.value))
    if result.sample:
        shown["top_rows"] = dg.MetadataValue.table(
            [dg.TableRecord({name: _plain(value) for name, value in row.items()}) for row in result.sample]
        )
    if result.quarantine_file is not None:
        shown["quarantine_file"] = dg.MetadataValue.path(result.quarantine_file)
    return shown


def _plain(value: object) -> str | float | int | bool | None:
    return value if isinstance(value, str | float | int | bool | None) else str(value)


@dg.asset_check(asset=day_bars, name="fresh", description="The newest session that should be there is there.")
def day_bars_fresh(bars: Bars) -> dg.AssetCheckResult:
    """Compares the store with the trading calendar: a backfilled old session does not look fresh."""
    now = datetime.now(UTC)
    calendar = sessions(history_start(settings.load(), now.date()), now.date() - timedelta(days=1))
    store = bars.reader()
    state = freshness(calendar, store.sessions("day"), now)
    return dg.AssetCheckResult(
        # Nobody publishes made-up bars: they are as new as they were made.
        passed=state.is_fresh or store.is_synthetic(),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"newest {state.newest or 'none'}, expected {state.expected or 'none'}",
        metadata={
            "expected": str(state.expected),
            "newest": str(state.newest),
            "missing": len(state.missing),
            "first_missing": [str(session) for session in state.missing[:20]],
        },
    )


@dg.asset_check(asset=paper_trades, blocking=True, description="The books of every account balance.")
def books_balance(database: Database) -> dg.AssetCheckResult:
    """Proves each account's books from the database; an account whose books are broken makes no more entries."""
    from falcon_pipelines.trading.reconciliation import halt_broken

    with database.transaction() as session:
        broken = {name: list(problems) for name, problems in halt_broken(session).items()}
    return dg.AssetCheckResult(passed=not broken, metadata={"broken": dg.MetadataValue.json(broken)})


@dg.asset_check(asset=reconciliation, blocking=True, description="No account's books are broken.")
def books_reconciled(database: Database) -> dg.AssetCheckResult:
    """Holds the report back while some account's books are broken."""
    from falcon_pipelines.trading.reconciliation import broken_books

    with database.transaction() as session:
        broken = {name: list(problems) for name, problems in broken_books(session).items()}
    return dg.AssetCheckResult(passed=not broken, metadata={"broken": dg.MetadataValue.json(broken)})


ALL_CHECKS = (day_bars_quality, minute_bars_quality, day_bars_fresh, books_balance, books_reconciled)
