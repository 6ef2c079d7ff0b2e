"""The paper account: the best strategy traded over the newest sessions, on bars as they were published."""

import dagster as dg

from falcon_pipelines.assets.market_data import OWNERS, corporate_actions, day_bars
from falcon_pipelines.assets.research import verdicts
from falcon_pipelines.bars.panel import session_of
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database


class PaperConfig(dg.Config):
    """How far back a newly opened account starts."""

    sessions: int = 60


@dg.asset(
    deps=[verdicts, day_bars, corporate_actions],
    group_name="trading",
    owners=OWNERS,
    kinds={"numba", "postgres"},
    code_version="1",
    description=(
        "Orders, fills and double-entry postings of the best strategy in a paper account of its own, by the fill "
        "rules of the backtests. Running it again works through new sessions only."
    ),
)
def paper_trades(
    context: dg.AssetExecutionContext, config: PaperConfig, bars: Bars, database: Database
) -> dg.MaterializeResult:
    """Trades the spec of the best verdict from where its account stopped to the newest session."""
    from falcon_pipelines.backtesting.research import with_assumed_costs
    from falcon_pipelines.strategies.store import spec_of
    from falcon_pipelines.strategies.universe import universe_bars
    from falcon_pipelines.trading.choice import best_backtest
    from falcon_pipelines.trading.lived_actions import lived_actions
    from falcon_pipelines.trading.paper import paper_trade

    store = bars.reader()
    version = store.current_version()
    with database.transaction() as session:
        backtest = best_backtest(session)
        spec, spec_id = with_assumed_costs(spec_of(backtest.spec)).with_params({}), backtest.spec_id
    panel = universe_bars(spec, store, version)
    first, last = session_of(panel.timestamps[0]), session_of(panel.timestamps[-1])
    run = paper_trade(
        database.engine,
        spec,
        panel,
        account=spec.name,
        sessions=config.sessions,
        spec_id=spec_id,
        raw=store.panel(panel.tickers, first, last, version=version),
        actions=lived_actions(store.corporate_actions(panel.tickers, first, last, version)),
    )
    context.log.info(f"{run.account}: {run.sessions} sessions worked through, equity {run.equity}")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": run.fills,
            "account": run.account,
            "data_version": version,
            "synthetic": panel.synthetic,
            "sessions_worked": run.sessions,
            "orders": run.orders,
            "equity": float(run.equity),
            "cash": float(run.cash),
            "positions": dg.MetadataValue.json(run.positions),
        }
    )
