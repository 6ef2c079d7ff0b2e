"""From a strategy spec to a verdict: backtests, sweeps, walk-forwards, verdicts."""

from collections.abc import Iterator

import dagster as dg

from falcon_pipelines.assets.market_data import OWNERS, columns, day_bars
from falcon_pipelines.assets.videos import GROUP, strategy_specs
from falcon_pipelines.json_types import plain
from falcon_pipelines.partitions import strategy_specs as spec_names
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database

REPLAY_TOLERANCE = 1e-9


@dg.asset(
    partitions_def=spec_names,
    deps=[
        dg.AssetDep(strategy_specs, partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep(day_bars, partition_mapping=dg.AllPartitionMapping()),
    ],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"numba", "postgres"},
    code_version="1",
    metadata=columns(
        ticker="string",
        side="string",
        quantity="float",
        entry_time="timestamp",
        entry_price="float",
        exit_time="timestamp",
        exit_price="float",
        exit_reason="string",
        pnl="float",
        ambiguous="bool",
    ),
    description="A spec over its universe and all sessions, with exact fills, costs and buy-and-hold beside it.",
)
def backtests(context: dg.AssetExecutionContext, bars: Bars, database: Database) -> dg.MaterializeResult:
    """Backtests the partition's newest spec on the current data version."""
    from falcon_pipelines.backtesting.portfolio import replayed_equity
    from falcon_pipelines.backtesting.research import backtest_spec, run_key
    from falcon_pipelines.backtesting.store import save_backtest
    from falcon_pipelines.strategies.store import newest_spec, spec_of

    store = bars.reader()
    with database.transaction() as session:
        row = newest_spec(session, context.partition_key)
        result = backtest_spec(spec_of(row), store, store.current_version())
        replayed = replayed_equity(result)
        if abs(replayed / result.final_equity - 1) > REPLAY_TOLERANCE:
            raise dg.Failure(
                f"vectorbt makes {replayed:.2f} of the fills, Falcon {result.final_equity:.2f}; nothing is stored"
            )
        saved_id = save_backtest(session, run_key(row, result), result).id
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": len(result.trades),
            "backtest": saved_id,
            "data_version": result.panel.version,
            "synthetic": result.panel.synthetic,
            "tickers": len(result.panel.tickers),
            "closed_trades": len(result.trades),
            "final_equity": result.final_equity,
            "final_equity_replayed_by_vectorbt": replayed,
            "buy_and_hold": result.benchmark.final_equity,
            "warnings": dg.MetadataValue.json(list(result.warnings)),
        }
    )


@dg.multi_asset(
    name="weigh_evidence",
    partitions_def=spec_names,
    specs=[
        dg.AssetSpec(
            name,
            deps=[backtests],
            group_name=GROUP,
            owners=OWNERS,
            kinds={"numba", "postgres"},
            code_version="1",
            partitions_def=spec_names,
            metadata=metadata,
            description=description,
        )
        for name, metadata, description in (
            (
                "sweeps",
                columns(params="json", final_equity="float", sharpe="float", max_drawdown="float"),
                "Every combination of the spec's parameters; each counts as a trial for ever.",
            ),
            (
                "walk_forwards",
                columns(scheme="string", folds="json"),
                "Parameters chosen on the past and traded on what came next, anchored and rolling.",
            ),
            (
                "verdicts",
                columns(
                    name="string", value="float", low="float", high="float", threshold="float", passed="bool"
                ),
                "What the evidence allows to be said, with every input; `insufficient evidence` is a proper answer.",
            ),
        )
    ],
)
def weigh_evidence(
    context: dg.AssetExecutionContext, bars: Bars, database: Database
) -> Iterator[dg.MaterializeResult]:
    """Runs the stored backtest again on its own data version, checks that it is the same, and judges it."""
    from falcon_pipelines.backtesting.research import weigh
    from falcon_pipelines.backtesting.store import newest_backtest, save_verdict
    from falcon_pipelines.backtesting.trials import PostgresTrials

    store = bars.reader()
    with database.transaction() as session:
        backtest = newest_backtest(session, context.partition_key)
        judged = weigh(backtest, store, PostgresTrials(database.engine))
        document = judged.document()
        save_verdict(session, backtest.id, judged.verdict, document)
        page = store.root / "tearsheets" / f"{context.partition_key}.{backtest.id}.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text(judged.tearsheet(), encoding="utf-8")
    yield dg.MaterializeResult(
        asset_key="sweeps",
        metadata={
            "dagster/partition_row_count": len(judged.evidence.swept),
            "best": dg.MetadataValue.json(plain(document["sweep"]["best"])),
        },
    )
    yield dg.MaterializeResult(
        asset_key="walk_forwards",
        metadata={
            "dagster/partition_row_count": len(document["walk_forward"]),
            "folds": dg.MetadataValue.json(plain(document["walk_forward"])),
        },
    )
    yield dg.MaterializeResult(
        asset_key="verdicts",
        metadata={
            "dagster/partition_row_count": len(judged.verdict.inputs),
            "verdict": judged.verdict.verdict,
            "reason": judged.verdict.reason,
            "trials": judged.verdict.trials,
            "inputs": dg.MetadataValue.json(plain(document["inputs"])),
            "tearsheet": dg.MetadataValue.path(str(page)),
        },
    )
