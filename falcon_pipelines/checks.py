"""Asset checks: what must hold of what was made."""

import dagster as dg

from falcon_pipelines.assets.market_data import day_bars
from falcon_pipelines.assets.trading import paper_trades
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database

QUARANTINE_LIMIT = 0.001


@dg.asset_check(asset=day_bars, description="At most 0.1 % of any session's rows are quarantined.")
def few_rows_quarantined(bars: Bars) -> dg.AssetCheckResult:
    """Looks at every session of the current data version."""
    entries = bars.reader().log().sessions("day").values()
    shares = {
        entry.session: entry.quarantined / (entry.rows + entry.quarantined)
        for entry in entries
        if entry.rows + entry.quarantined
    }
    worst = max(shares, key=lambda session: shares[session], default=None)
    return dg.AssetCheckResult(
        passed=not shares or max(shares.values()) <= QUARANTINE_LIMIT,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "sessions": len(shares),
            "worst_session": str(worst),
            "worst_share": shares[worst] if worst else 0.0,
            "threshold": QUARANTINE_LIMIT,
        },
    )


@dg.asset_check(asset=paper_trades, blocking=True, description="The books of every account balance.")
def books_balance(database: Database) -> dg.AssetCheckResult:
    """Proves each account's books from the database; an account whose books are broken makes no more entries."""
    from falcon_pipelines.trading.reconciliation import halt_broken

    with database.transaction() as session:
        broken = halt_broken(session)
    return dg.AssetCheckResult(
        passed=not broken,
        metadata={"broken": dg.MetadataValue.json({name: list(why) for name, why in broken.items()})},
    )


ALL_CHECKS = (few_rows_quarantined, books_balance)
