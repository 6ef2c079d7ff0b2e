"""Asset checks: what must hold of what was made. What is checked of bars is decided in `bars.quality`."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.assets.bar_checks import check_specs, record
from falcon_pipelines.assets.market_data import day_bars, minute_bars
from falcon_pipelines.assets.paper_books import reconciliation
from falcon_pipelines.assets.trading import paper_trades
from falcon_pipelines.bars.calendar import sessions
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.session_quality import ERROR_CHECKS, WARN_CHECKS, check_sessions
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.upkeep import freshness
from falcon_pipelines.partitions import history_start
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database


@dg.multi_asset_check(name="day_bars_quality", specs=check_specs(day_bars.key, ERROR_CHECKS + WARN_CHECKS))
def day_bars_quality(context: dg.AssetCheckExecutionContext, bars: Bars) -> Iterator[dg.AssetCheckResult]:
    """Checks every session of the run; a session with an error stops what would be made of it."""
    yield from _check_sessions(context, bars.reader(), "day", day_bars.key)


@dg.multi_asset_check(name="minute_bars_quality", specs=check_specs(minute_bars.key, ERROR_CHECKS))
def minute_bars_quality(context: dg.AssetCheckExecutionContext, bars: Bars) -> Iterator[dg.AssetCheckResult]:
    """Checks every session of the run."""
    yield from _check_sessions(context, bars.reader(), "minute", minute_bars.key)


def _check_sessions(
    context: dg.AssetCheckExecutionContext, store: BarStore, frequency: Frequency, asset: dg.AssetKey
) -> Iterator[dg.AssetCheckResult]:
    """One evaluation per session and check; a run over several sessions also gets the worst of each check."""
    run = context.op_execution_context
    keys = list(run.partition_keys) if run.has_partition_key_range or run.has_partition_key else []
    days = [date.fromisoformat(key) for key in keys]
    checked = check_sessions(store, days, frequency, store.current_version())
    results = ((session.isoformat(), found) for session, found in checked)
    # Made-up bars have their faults on purpose: they are shown, and stop nothing.
    yield from record(run, asset, keys, results, stops=not store.is_synthetic())


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

    broken = {name: list(problems) for name, problems in halt_broken(database.engine).items()}
    return dg.AssetCheckResult(passed=not broken, metadata={"broken": dg.MetadataValue.json(broken)})


@dg.asset_check(asset=reconciliation, blocking=True, description="No account's books are broken.")
def books_reconciled(database: Database) -> dg.AssetCheckResult:
    """Holds the report back while some account's books are broken."""
    from falcon_pipelines.trading.reconciliation import broken_books

    with database.snapshot() as session:
        broken = {name: list(problems) for name, problems in broken_books(session).items()}
    return dg.AssetCheckResult(passed=not broken, metadata={"broken": dg.MetadataValue.json(broken)})


ALL_CHECKS = (day_bars_quality, minute_bars_quality, day_bars_fresh, books_balance, books_reconciled)
