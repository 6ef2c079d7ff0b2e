"""Asset checks: what must hold of what was made."""

import dagster as dg
from sqlalchemy import select

from falcon_pipelines.assets.market_data import day_bars
from falcon_pipelines.assets.trading import paper_trades
from falcon_pipelines.db import models
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
    """Rebuilds each account's books from its postings and proves them."""
    from falcon_pipelines.trading.errors import BooksDoNotBalance
    from falcon_pipelines.trading.store import stored_books

    broken: dict[str, str] = {}
    with database.transaction() as session:
        accounts = session.execute(select(models.Account.id, models.Account.name)).all()
        for account_id, name in accounts:
            try:
                stored_books(session, account_id)
            except BooksDoNotBalance as error:
                broken[name] = str(error)
    return dg.AssetCheckResult(
        passed=not broken, metadata={"accounts": len(accounts), "broken": dg.MetadataValue.json(broken)}
    )


ALL_CHECKS = (few_rows_quarantined, books_balance)
