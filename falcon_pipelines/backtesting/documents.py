"""A backtest, a sweep and a verdict as plain documents: what the commands print and the database keeps."""

from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from falcon_pipelines.backtesting.evidence import Evidence
    from falcon_pipelines.backtesting.run import BacktestResult
    from falcon_pipelines.backtesting.sweep import SweepResult
    from falcon_pipelines.backtesting.verdict import Verdict
    from falcon_pipelines.backtesting.walk_forward import WalkForward
    from falcon_pipelines.strategies.spec import Spec

HEATMAP_CELLS = 10_000


def moment(timestamp: "np.datetime64") -> str:
    """A bar's time as ISO 8601 in UTC."""
    import numpy as np

    return str(np.datetime_as_string(timestamp, unit="s")) + "+00:00"


def backtest_document(spec: "Spec", result: "BacktestResult") -> dict[str, Any]:
    """What `falcon backtest --json` prints."""
    from dataclasses import asdict

    from falcon_pipelines.backtesting.claims import check_claims
    from falcon_pipelines.backtesting.reproduction import provenance
    from falcon_pipelines.backtesting.statistics import DEFINITIONS
    from falcon_pipelines.strategies.spec import spec_hash

    panel, benchmark = result.panel, result.benchmark
    return {
        "spec": spec.name,
        "spec_hash": spec_hash(spec),
        "tickers": panel.tickers,
        "version": panel.version,
        "synthetic": panel.synthetic,
        "first": moment(panel.timestamps[0]),
        "last": moment(panel.timestamps[-1]),
        "initial_cash": result.initial_cash,
        "final_equity": result.final_equity,
        "closed_trades": len(result.trades),
        "open_trades": len(result.open_trades),
        "trades": [
            {
                "ticker": trade.ticker,
                "side": trade.side,
                "quantity": trade.quantity,
                "entry_time": moment(trade.entry_time),
                "entry_price": trade.entry_price,
                "exit_time": moment(trade.exit_time),
                "exit_price": trade.exit_price,
                "exit_reason": trade.exit_reason,
                "pnl": trade.pnl,
                "ambiguous": trade.ambiguous,
                "position": trade.position,
            }
            for trade in result.trades
        ],
        "open_positions": [
            {
                "ticker": trade.ticker,
                "side": trade.side,
                "quantity": trade.quantity,
                "entry_time": moment(trade.entry_time),
                "entry_price": trade.entry_price,
                "last_price": trade.last_price,
                "pnl": trade.pnl,
            }
            for trade in result.open_trades
        ],
        "equity": [
            {"timestamp": moment(when), "equity": float(equity), "benchmark": float(held)}
            for when, equity, held in zip(panel.timestamps, result.equity, benchmark.equity, strict=True)
        ],
        "stats": result.stats.as_dict(),
        "benchmark": {"final_equity": benchmark.final_equity, **benchmark.stats.as_dict()},
        "definitions": DEFINITIONS,
        "claims": [asdict(claim) for claim in check_claims(spec, result)],
        "run": asdict(provenance(spec, panel.version, 0)),
        "warnings": result.warnings,
    }


def verdict_document(
    spec: "Spec", result: "BacktestResult", evidence: "Evidence", judged: "Verdict", seed: int
) -> dict[str, Any]:
    """What `falcon verdict --json` prints."""
    from dataclasses import asdict

    from falcon_pipelines.backtesting.claims import check_claims
    from falcon_pipelines.backtesting.reproduction import provenance

    random, validated = evidence.random, evidence.cross_validation
    return {
        "spec": spec.name,
        "tickers": result.panel.tickers,
        "version": result.panel.version,
        "verdict": judged.verdict,
        "reason": judged.reason,
        "inputs": [asdict(item) for item in judged.inputs],
        "trials": judged.trials,
        "sweep": sweep_document(evidence.swept),
        "claims": [asdict(claim) for claim in check_claims(spec, result)],
        "walk_forward": [_walk_document(walk) for walk in (evidence.anchored, evidence.rolling) if walk],
        "cross_validation": validated
        and {
            "splits": len(validated.sharpes),
            "mean_sharpe": float(validated.sharpes.mean()),
            "positive": validated.positive,
        },
        "random_entries": random
        and {"runs": len(random.sharpes), "sharpe": random.strategy, "p_value": random.p_value},
        "monte_carlo": evidence.shuffled and asdict(evidence.shuffled),
        "costs": [asdict(variant) for variant in evidence.costs],
        "fills": [asdict(variant) for variant in (evidence.optimistic, evidence.pessimistic)],
        "regimes": [asdict(regime) for regime in evidence.regimes],
        "run": asdict(provenance(spec, result.panel.version, seed)),
        "warnings": result.warnings,
    }


def _walk_document(walk: "WalkForward") -> dict[str, Any]:
    return {
        "scheme": walk.scheme,
        "sharpe": walk.sharpe,
        "total_return": walk.total_return,
        "efficiency": walk.efficiency,
        "folds": [
            {
                "params": fold.params,
                "trained_sharpe": fold.trained_sharpe,
                "tested_sharpe": fold.tested_sharpe,
                "tested_return": fold.tested_return,
                "benchmark_return": fold.benchmark_return,
                "closed_trades": fold.closed_trades,
            }
            for fold in walk.folds
        ],
    }


def sweep_document(swept: "SweepResult", best: int = 10) -> dict[str, Any]:
    """A sweep's combinations, the best of them first by Sharpe ratio."""
    return {
        "combinations": len(swept),
        "best": [
            {
                "params": one.params,
                "final_equity": one.final_equity,
                "total_return": one.total_return,
                "sharpe": one.sharpe,
                "max_drawdown": one.max_drawdown,
                "closed_trades": one.closed_trades,
            }
            for one in swept.best(best)
        ],
        "sum_total_return": float(swept.total_returns.sum()),
        "heatmap": heatmap_document(swept),
    }


def heatmap_document(swept: "SweepResult") -> dict[str, Any] | None:
    """Sharpe ratio over the first two parameters that vary, the best over the others; None without a sweep or
    where there are too many cells to look at.

    `sharpe` has one row for each value of `down` (one where only one parameter varies), None where undefined.
    """
    import numpy as np

    names = [name for name in swept.params[0] if len({params[name] for params in swept.params}) > 1]
    cells = prod(len({params[name] for params in swept.params}) for name in names[:2])
    if not names or cells > HEATMAP_CELLS:
        return None
    across, down = names[0], names[1] if len(names) > 1 else None
    columns = sorted({params[across] for params in swept.params})
    rows = sorted({params[down] for params in swept.params}) if down else [0.0]
    grid = np.full((len(rows), len(columns)), np.nan)
    sharpe = swept.sharpe_per_bar * swept.periods**0.5
    row_of, column_of = ({value: i for i, value in enumerate(values)} for values in (rows, columns))
    for params, value in zip(swept.params, sharpe, strict=True):
        place = row_of[params[down]] if down else 0, column_of[params[across]]
        grid[place] = np.fmax(grid[place], value)
    return {
        "across": across,
        "columns": columns,
        "down": down,
        "rows": rows if down else [],
        "sharpe": [[None if np.isnan(cell) else round(float(cell), 3) for cell in row] for row in grid],
        "best_over": names[2:],
    }
