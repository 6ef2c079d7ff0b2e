"""`falcon backtest`, `falcon sweep` and `falcon verdict`: run a spec over bars, and say what the result is worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from falcon_pipelines.commands.backtest_inputs import (
    Bars,
    Cash,
    Day,
    FeeBps,
    Report,
    SlippageBps,
    SpecFile,
    Tickers,
    load_panel,
)
from falcon_pipelines.commands.console import Json, out, print_json, status
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.backtesting.evidence import Evidence
    from falcon_pipelines.backtesting.run import BacktestResult
    from falcon_pipelines.backtesting.trials import TrialsLedger
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
    report: Report = None,
    json: Json = False,
) -> None:
    """Run a strategy spec over bars: trades, equity, statistics, buy-and-hold beside."""
    from falcon_pipelines.backtesting.run import run_backtest
    from falcon_pipelines.strategies.library import find_spec

    spec = find_spec(file).with_params()
    with status("Running the backtest"):
        panel = load_panel(spec, tickers, bars, start, end)
        result = run_backtest(spec, panel, cash=cash, fee_bps=fee_bps, slippage_bps=slippage_bps)
    if report is not None:
        write_report(report, spec, result)
    if json:
        from falcon_pipelines.backtesting.documents import backtest_document

        print_json(backtest_document(spec, result))
    else:
        _show(spec, result)


def sweep(
    file: SpecFile,
    tickers: Tickers = None,
    bars: Bars = None,
    cash: Cash = 100_000.0,
    fee_bps: FeeBps = None,
    slippage_bps: SlippageBps = None,
    start: Day = None,
    end: Day = None,
    best: Annotated[int, typer.Option(help="How many of the best combinations to show.", min=1)] = 10,
    json: Json = False,
) -> None:
    """Run every combination of a spec's parameters over bars, best Sharpe ratio first."""
    import time

    from falcon_pipelines.backtesting import sweep as sweeps
    from falcon_pipelines.backtesting.documents import sweep_document
    from falcon_pipelines.local.memory import peak_rss_mb
    from falcon_pipelines.strategies.library import find_spec

    spec = find_spec(file)
    panel = load_panel(spec, tickers, bars, start, end)
    began = time.perf_counter()
    with status("Sweeping"):
        swept = sweeps.sweep(spec, panel, cash=cash, fee_bps=fee_bps, slippage_bps=slippage_bps)
    seconds = time.perf_counter() - began
    document = {
        "spec": spec.name,
        "tickers": panel.tickers,
        "version": panel.version,
        **sweep_document(swept, best),
        "seconds": seconds,
        "peak_memory_mb": peak_rss_mb(),
    }
    if json:
        print_json(document)
    else:
        _show_sweep(document)


def verdict(
    file: SpecFile,
    tickers: Tickers = None,
    bars: Bars = None,
    cash: Cash = 100_000.0,
    fee_bps: FeeBps = None,
    slippage_bps: SlippageBps = None,
    start: Day = None,
    end: Day = None,
    seed: Annotated[
        int, typer.Option(help="Seed of all resampling; the same seed gives the same bytes.")
    ] = 0,
    report: Report = None,
    json: Json = False,
) -> None:
    """Say whether a strategy works, from evidence that is shown; all its parameter values count as trials."""
    from falcon_pipelines.backtesting.documents import verdict_document
    from falcon_pipelines.backtesting.evidence import gather
    from falcon_pipelines.backtesting.verdict import judge
    from falcon_pipelines.strategies.library import find_spec

    spec = find_spec(file)
    panel = load_panel(spec, tickers, bars, start, end)
    with status("Weighing the evidence"):
        result, evidence = gather(
            spec,
            panel,
            cash=cash,
            fee_bps=fee_bps,
            slippage_bps=slippage_bps,
            ledger=_ledger(bars),
            seed=seed,
        )
        judged = judge(result, evidence)
    if report is not None:
        write_report(report, spec.with_params(), result, evidence, judged, seed)
    if json:
        print_json(verdict_document(spec, result, evidence, judged, seed))
    else:
        _show_verdict(judged)


def _ledger(bars: Path | None) -> "TrialsLedger":
    """The shared ledger for bars of the store where a database is configured; else one of this run's own."""
    from falcon_pipelines import settings
    from falcon_pipelines.backtesting.trials import InMemoryTrials, PostgresTrials

    url = settings.load().database_url if bars is None else None
    if url is None:
        return InMemoryTrials()
    from falcon_pipelines.db.engine import database_engine

    return PostgresTrials(database_engine(url.get_secret_value()))


def write_report(
    path: Path,
    spec: "Spec",
    result: "BacktestResult",
    evidence: "Evidence | None" = None,
    judged: "Verdict | None" = None,
    seed: int = 0,
) -> None:
    """Write the HTML tearsheet. Raises InputError where the file cannot be written."""
    from falcon_pipelines.backtesting.tearsheet import tearsheet

    try:
        path.write_text(tearsheet(spec, result, evidence, judged, seed=seed), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--report {path}: cannot be written ({error.strerror})") from None


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
        f"${result.initial_cash:,.2f} became ${result.final_equity:,.2f}; "
        f"buy-and-hold ${result.benchmark.final_equity:,.2f}. "
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


def _show_sweep(document: dict[str, Any]) -> None:
    from rich.table import Table

    out.print(
        f"{document['combinations']:,} combinations in {document['seconds']:.1f} s, "
        f"{document['peak_memory_mb']:.0f} MB at most",
        highlight=False,
    )
    table = Table("parameters", "final equity", "Sharpe", "max drawdown", "closed trades")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in document["best"]:
        table.add_row(
            ", ".join(f"{name} {value:g}" for name, value in one["params"].items()) or "—",
            f"${one['final_equity']:,.2f}",
            f"{one['sharpe']:.2f}" if one["sharpe"] == one["sharpe"] else "—",
            f"{one['max_drawdown']:.2%}",
            str(one["closed_trades"]),
        )
    out.print(table)


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
