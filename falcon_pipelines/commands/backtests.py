"""`falcon backtest` and `falcon verdict`: run a spec over bars, and say what the result is worth."""

from typing import TYPE_CHECKING, Any

from falcon_pipelines.commands.backtest_inputs import (
    Bars,
    Cash,
    Day,
    FeeBps,
    SlippageBps,
    SpecFile,
    Tickers,
    load_panel,
)
from falcon_pipelines.commands.console import Json, out, print_json, status

if TYPE_CHECKING:
    import numpy as np

    from falcon_pipelines.backtesting.run import BacktestResult
    from falcon_pipelines.backtesting.verdict import Verdict
    from falcon_pipelines.strategies.spec import Spec


def backtest(
    file: SpecFile,
    tickers: Tickers = None,
    bars: Bars = None,
    cash: Cash = 100_000.0,
    fee_bps: FeeBps = None,
    slippage_bps: SlippageBps = None,
    start: Day = None,
    end: Day = None,
    json: Json = False,
) -> None:
    """Run a strategy spec over bars: trades, equity, statistics, buy-and-hold beside."""
    from falcon_pipelines.backtesting.run import run_backtest
    from falcon_pipelines.strategies.spec import load_spec

    spec = load_spec(file).with_params()
    with status("Running the backtest"):
        panel = load_panel(spec, tickers, bars, start, end)
        result = run_backtest(spec, panel, cash=cash, fee_bps=fee_bps, slippage_bps=slippage_bps)
    if json:
        print_json(backtest_document(spec, result))
    else:
        _show(spec, result)


def verdict(
    file: SpecFile,
    tickers: Tickers = None,
    bars: Bars = None,
    cash: Cash = 100_000.0,
    fee_bps: FeeBps = None,
    slippage_bps: SlippageBps = None,
    start: Day = None,
    end: Day = None,
    json: Json = False,
) -> None:
    """Say whether a strategy works, from evidence that is shown."""
    from falcon_pipelines.backtesting.run import run_backtest
    from falcon_pipelines.backtesting.verdict import judge
    from falcon_pipelines.strategies.spec import load_spec

    spec = load_spec(file).with_params()
    with status("Weighing the evidence"):
        panel = load_panel(spec, tickers, bars, start, end)
        result = run_backtest(spec, panel, cash=cash, fee_bps=fee_bps, slippage_bps=slippage_bps)
        judged = judge(result)
    if json:
        print_json(verdict_document(spec, result, judged))
    else:
        _show_verdict(judged)


def moment(timestamp: "np.datetime64") -> str:
    """A bar's time as ISO 8601 in UTC."""
    import numpy as np

    return str(np.datetime_as_string(timestamp, unit="s")) + "+00:00"


def backtest_document(spec: "Spec", result: "BacktestResult") -> dict[str, Any]:
    """What `falcon backtest --json` prints."""
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
        "warnings": result.warnings,
    }


def verdict_document(spec: "Spec", result: "BacktestResult", judged: "Verdict") -> dict[str, Any]:
    """What `falcon verdict --json` prints."""
    from dataclasses import asdict

    return {
        "spec": spec.name,
        "tickers": result.panel.tickers,
        "version": result.panel.version,
        "verdict": judged.verdict,
        "reason": judged.reason,
        "inputs": [asdict(item) for item in judged.inputs],
        "trials": judged.trials,
        "warnings": result.warnings,
    }


_SHOWN = (
    ("Total return", "total_return", "{:.2%}"),
    ("CAGR", "cagr", "{:.2%}"),
    ("Volatility", "volatility", "{:.2%}"),
    ("Sharpe", "sharpe", "{:.2f}"),
    ("Sortino", "sortino", "{:.2f}"),
    ("Max drawdown", "max_drawdown", "{:.2%}"),
    ("Exposure", "exposure", "{:.1%}"),
    ("Win rate", "win_rate", "{:.1%}"),
    ("Profit factor", "profit_factor", "{:.2f}"),
    ("Average trade", "average_trade_pct", "{:.2f} %"),
    ("Fees", "fees", "${:,.2f}"),
)


def _show(spec: "Spec", result: "BacktestResult") -> None:
    from rich.table import Table

    panel = result.panel
    names = ", ".join(panel.tickers[:6]) + (
        f" and {len(panel.tickers) - 6} more" if len(panel.tickers) > 6 else ""
    )
    first, last = (str(panel.timestamps[i])[:10] for i in (0, -1))
    out.print(f"{spec.name} on {names}, {first} to {last}, {len(panel):,} bars", highlight=False)
    out.print(
        f"${result.initial_cash:,.2f} became ${result.final_equity:,.2f}; buy-and-hold ${result.benchmark.final_equity:,.2f}. "
        f"{len(result.trades)} closed trades, {len(result.open_trades)} open.",
        highlight=False,
    )
    table = Table("", *(("strategy", "buy-and-hold")))
    for column in table.columns[1:]:
        column.justify = "right"
    ours, theirs = result.stats.as_dict(), result.benchmark.stats.as_dict()
    for label, name, shape in _SHOWN:
        table.add_row(
            label, *(shape.format(value) if value == value else "—" for value in (ours[name], theirs[name]))
        )
    out.print(table)
    for warning in result.warnings:
        out.print(f"! {warning}", markup=False, highlight=False)


def _show_verdict(judged: "Verdict") -> None:
    from rich.table import Table

    out.print(f"{judged.verdict}: {judged.reason}", markup=False, highlight=False)
    table = Table("input", "value", "interval", "threshold", "passed", "source")
    for item in judged.inputs:
        interval = "—" if item.low is None or item.high is None else f"{item.low:.3g} to {item.high:.3g}"
        table.add_row(
            item.name,
            f"{item.value:.3g}",
            interval,
            f"{item.threshold:.3g}",
            "yes" if item.passed else "no",
            item.source,
        )
    out.print(table)
