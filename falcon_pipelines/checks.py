"""Asset checks: what must hold of what was made."""

import dagster as dg

from falcon_pipelines.assets.market_data import day_bars
from falcon_pipelines.assets.trading import paper_trades
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.trading.store import books_balance

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


@dg.asset_check(asset=paper_trades, blocking=True, description="Every entry of the ledger sums to zero.")
def ledger_balances(database: Database) -> dg.AssetCheckResult:
    """Proves the books from the postings."""
    with database.transaction() as session:
        broken = books_balance(session)
    return dg.AssetCheckResult(passed=not broken, metadata={"broken_entries": len(broken)})


ALL_CHECKS = (few_rows_quarantined, ledger_balances)
