"""`falcon readings`: every way to read a talk's open rules, backtested side by side."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from falcon_pipelines.commands.backtest_inputs import (
    Bars,
    Cash,
    Day,
    FeeBps,
    SlippageBps,
    Tickers,
    load_panel,
)
from falcon_pipelines.commands.console import Json, out, print_json, status
from falcon_pipelines.commands.extraction import ByModel, NoSuchReading, Overlays, Source, extracted
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.strategies.extraction import ExtractionResult
    from falcon_pipelines.strategies.spec import Spec


def readings(
    source: Source,
    tickers: Tickers = None,
    bars: Bars = None,
    llm: ByModel = False,
    overlay: Overlays = None,
    cash: Cash = 100_000.0,
    fee_bps: FeeBps = None,
    slippage_bps: SlippageBps = None,
    start: Day = None,
    end: Day = None,
    json: Json = False,
) -> None:
    """Backtest a talk's strategy as stated and under each reading of its open rules, and show the spread."""
    from falcon_pipelines.backtesting.run import run_backtest

    result = extracted(source, llm=llm)
    strategies = list(_strategies(result, overlay))
    if not strategies:
        offered = ", ".join(item.name for item in result.overlays)
        hint = f"; lay one over it with --overlay: {offered}" if offered else ""
        raise NoSuchReading(f"nothing can be run: {result.reason}{hint}")
    rows: list[dict[str, Any]] = []
    with status("Running the backtests"):
        for field, value, spec in strategies:
            panel = load_panel(spec, tickers, bars, start, end)
            found = run_backtest(
                spec.with_params(), panel, cash=cash, fee_bps=fee_bps, slippage_bps=slippage_bps
            )
            rows.append(
                {
                    "spec": spec.name,
                    "field": field,
                    "value": value,
                    "final_equity": found.final_equity,
                    "closed_trades": len(found.trades),
                    "max_drawdown": found.stats.max_drawdown,
                    "buy_and_hold": found.benchmark.final_equity,
                }
            )
    equities = [row["final_equity"] for row in rows]
    spread = {"lowest": min(equities), "highest": max(equities), "difference": max(equities) - min(equities)}
    if json:
        print_json({"status": result.status, "initial_cash": cash, "readings": rows, "spread": spread})
        return
    table = Table("reading", box=None, pad_edge=False)
    for title in ("final equity", "trades", "max drawdown"):
        table.add_column(title, justify="right")
    for row in rows:
        reading = "as stated" if row["field"] is None else f"{row['field']} = {row['value']}"
        table.add_row(
            Text(reading),
            f"{row['final_equity']:,.2f}",
            f"{row['closed_trades']}",
            f"{row['max_drawdown']:.1%}",
        )
    out.print(table)
    out.print(
        f"Between the readings lie ${spread['difference']:,.2f}; "
        f"buy-and-hold ends with ${rows[0]['buy_and_hold']:,.2f}."
    )


def _strategies(
    result: "ExtractionResult", overlay: list[str] | None
) -> "Iterator[tuple[str | None, object, Spec]]":
    """Field, value and spec of all that can be run: the strategy as stated, then each reading of it."""
    from falcon_pipelines.strategies.extraction.overlays import exits_to_lay_over, has_exit, lay_over

    if result.spec is not None and not result.must_choose:
        spec = lay_over(result.spec, result.overlays, overlay) if overlay else result.spec
        if has_exit(spec):
            yield None, None, spec
    for variant in result.variants:
        spec = variant.spec
        if overlay:
            try:
                spec = lay_over(spec, exits_to_lay_over(spec), overlay)
            except InputError:
                # A stop laid over fits no reading that states one; the others are still run.
                continue
        if has_exit(spec):
            yield variant.field, variant.value, spec
