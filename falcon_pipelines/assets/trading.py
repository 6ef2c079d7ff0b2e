"""From verdicts to paper: which strategies are promoted, and what each does in an account of its own."""

from typing import Any

import dagster as dg

from falcon_pipelines.assets.market_data import OWNERS, columns, corporate_actions, day_bars
from falcon_pipelines.bars.panel import session_of
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database

GROUP = "trading"


@dg.asset(
    deps=[dg.AssetKey("verdicts")],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    code_version="1",
    metadata=columns(spec="string", promoted="bool", reason="string"),
    description="The strategies on paper: a verdict of `works` or `promising`, and a person's approval.",
)
def promotions(database: Database) -> dg.MaterializeResult:
    """Applies the rule to every spec; writes what has changed."""
    from falcon_pipelines.trading.promotion import update_promotions

    with database.transaction() as session:
        standings = update_promotions(session)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(item.promoted for item in standings.values()),
            "standings": dg.MetadataValue.json({name: vars(item) for name, item in standings.items()}),
        }
    )


class PaperConfig(dg.Config):
    """How far back a newly opened account starts, and whether the best strategy is traded unpromoted."""

    sessions: int = 60
    best_if_none: bool = False


@dg.asset(
    deps=[promotions, day_bars, corporate_actions],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"numba", "postgres"},
    code_version="1",
    metadata=columns(
        order="string",
        ticker="string",
        side="string",
        quantity="numeric",
        price="numeric",
        filled_at="timestamptz",
    ),
    description=(
        "Orders, fills and double-entry postings of each strategy on paper, by the fill rules of the backtests, on "
        "bars as they were published. Running it again works through new sessions only."
    ),
)
def paper_trades(
    context: dg.AssetExecutionContext, config: PaperConfig, bars: Bars, database: Database
) -> dg.MaterializeResult:
    """Trades every promoted spec from where its account stopped to the newest session."""
    from falcon_pipelines.trading.choice import best_backtest
    from falcon_pipelines.trading.promotion import promoted_specs

    store = bars.reader()
    version = store.current_version()
    accounts: list[dict[str, Any]] = []
    with database.transaction() as session:
        specs = promoted_specs(session)
        if not specs and config.best_if_none:
            specs = (best_backtest(session).spec,)
        session.expunge_all()
    for row in specs:
        accounts.append(_trade(row, store, version, database, config.sessions))
        context.log.info(f"{row.name}: {accounts[-1]}")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(account["fills"] for account in accounts),
            "data_version": version,
            "synthetic": store.is_synthetic(version),
            "accounts": dg.MetadataValue.json(accounts),
        }
    )


def _trade(
    row: models.StrategySpec, store: BarStore, version: str, database: Database, sessions: int
) -> dict[str, Any]:
    from falcon_pipelines.backtesting.assumed_costs import with_assumed_costs
    from falcon_pipelines.strategies.store import spec_of
    from falcon_pipelines.strategies.universe import universe_bars
    from falcon_pipelines.trading.lived_actions import lived_actions
    from falcon_pipelines.trading.paper import paper_trade

    spec = with_assumed_costs(spec_of(row)).with_params({})
    panel = universe_bars(spec, store, version)
    first, last = session_of(panel.timestamps[0]), session_of(panel.timestamps[-1])
    run = paper_trade(
        database.engine,
        spec,
        panel,
        account=f"{spec.name} {row.spec_hash[:6]}",
        sessions=sessions,
        spec_id=row.id,
        raw=store.panel(panel.tickers, first, last, version=version),
        actions=lived_actions(store.corporate_actions(panel.tickers, first, last, version)),
    )
    return {
        "account": run.account,
        "sessions_worked": run.sessions,
        "orders": run.orders,
        "fills": run.fills,
        "equity": float(run.equity),
        "cash": float(run.cash),
        "positions": run.positions,
    }
