"""A backtest as one HTML file that needs nothing else: charts, tables, and the definition of every figure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.accounting import Trade
from falcon_pipelines.backtesting.claims import check_claims
from falcon_pipelines.backtesting.documents import heatmap_document
from falcon_pipelines.backtesting.reproduction import provenance
from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.backtesting.statistics import DEFINITIONS, drawdown

if TYPE_CHECKING:
    from falcon_pipelines.backtesting.evidence import Evidence
    from falcon_pipelines.backtesting.verdict import Verdict
    from falcon_pipelines.strategies.spec import Spec

TEMPLATE = Path(__file__).parent / "templates" / "tearsheet.html"
STRATEGY, BENCHMARK = "#1f6feb", "#8a8f98"
PRICE_CHARTS = 3
TRADES_SHOWN = 500
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DASH = "—"
MINUS = "\N{MINUS SIGN}"

_PERCENT = {
    "total_return", "cagr", "volatility", "max_drawdown", "exposure", "average_gross", "win_rate",
}  # fmt: skip
_DOLLARS = {"average_trade", "fees"}
_POINTS = {"average_trade_pct", "best_trade_pct", "worst_trade_pct"}
_WHOLE = {"max_drawdown_bars"}


@dataclass(frozen=True)
class Chart:
    """A plotly figure: traces and layout as JSON text."""

    title: str
    data: str
    layout: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text; columns in `words` are set left."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()
    note: str = ""


def tearsheet(
    spec: "Spec",
    result: BacktestResult,
    evidence: "Evidence | None" = None,
    judged: "Verdict | None" = None,
    *,
    seed: int = 0,
) -> str:
    """The HTML of one backtest; with evidence and verdict, their tables and the heatmap of the sweep too."""
    from jinja2 import Environment
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    panel = result.panel
    charts = [_equity_chart(result), _drawdown_chart(result), *_price_charts(result)]
    tables = [_statistics_table(result), _months_table(result), _trades_table(result)]
    if evidence is not None:
        heatmap = _heatmap(evidence)
        charts += [heatmap] if heatmap else []
        tables = [*_evidence_tables(evidence), *tables]
    if judged is not None:
        tables.insert(0, _verdict_table(judged))
    claims = check_claims(spec, result)
    if claims:
        tables.insert(1 if judged else 0, _claims_table(claims))
    template = Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    names = ", ".join(panel.tickers[:8]) + (
        f" and {len(panel.tickers) - 8} more" if len(panel.tickers) > 8 else ""
    )
    return template.render(
        spec=spec,
        result=result,
        judged=judged,
        summary=(
            f"${result.initial_cash:,.0f} became ${result.final_equity:,.0f}; buy-and-hold "
            f"${result.benchmark.final_equity:,.0f}. {len(result.trades):,} closed trades, "
            f"{len(result.open_trades)} open."
        ),
        tickers=names,
        first=str(panel.timestamps[0])[:10],
        last=str(panel.timestamps[-1])[:10],
        charts=[
            Chart(chart.title, Markup(chart.data), Markup(chart.layout), chart.note)  # noqa: S704 - our own JSON
            for chart in charts
        ],
        tables=tables,
        run=provenance(spec, panel.version, seed),
        plotly_js=Markup(get_plotlyjs()),  # noqa: S704 - the library itself
    )


def _json(value: Any) -> str:
    """JSON that can stand in a script element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _numbers(values: NDArray[np.float64], digits: int = 4) -> list[float | None]:
    return [None if value != value else round(float(value), digits) for value in values]


def _times(timestamps: NDArray[np.datetime64]) -> list[str]:
    return [str(np.datetime_as_string(when, unit="m")) for when in timestamps]


def _layout(y_title: str, **more: Any) -> dict[str, Any]:
    return {
        "template": None,
        "height": 420,
        "margin": {"l": 72, "r": 16, "t": 8, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "#7a7f87"},
        "xaxis": {"gridcolor": "rgba(128,128,128,0.2)"},
        "yaxis": {"title": {"text": y_title}, "gridcolor": "rgba(128,128,128,0.2)"},
        "legend": {"orientation": "h"},
        **more,
    }


def _line(name: str, x: list[str], y: list[float | None], colour: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": colour, "width": 1.5},
    }


def _equity_chart(result: BacktestResult) -> Chart:
    x = _times(result.panel.timestamps)
    layout = _layout("equity, dollars (log)")
    if min(result.equity.min(), result.benchmark.equity.min()) > 0:
        layout["yaxis"]["type"] = "log"
    traces = [
        _line("strategy", x, _numbers(result.equity, 2), STRATEGY),
        _line("buy-and-hold", x, _numbers(result.benchmark.equity, 2), BENCHMARK),
    ]
    return Chart("Equity against buy-and-hold", _json(traces), _json(layout))


def _drawdown_chart(result: BacktestResult) -> Chart:
    x, cash = _times(result.panel.timestamps), result.initial_cash
    traces = [
        _line("strategy", x, _numbers(100 * drawdown(result.equity, cash)), STRATEGY),
        _line("buy-and-hold", x, _numbers(100 * drawdown(result.benchmark.equity, cash)), BENCHMARK),
    ]
    return Chart("Drawdown", _json(traces), _json(_layout("below the high, %", height=280)))


def _price_charts(result: BacktestResult) -> list[Chart]:
    """Closes with entries and exits of the tickers traded most."""
    counts: dict[str, int] = {}
    for trade in result.trades:
        counts[trade.ticker] = counts.get(trade.ticker, 0) + 1
    busiest = sorted(counts, key=lambda name: -counts[name])[:PRICE_CHARTS] or list(result.panel.tickers[:1])
    x = _times(result.panel.timestamps)
    charts = []
    for ticker in busiest:
        trades = [trade for trade in result.trades if trade.ticker == ticker]
        close = result.panel["close"][:, result.panel.tickers.index(ticker)]
        traces = [_line("close", x, _numbers(close), BENCHMARK)]
        for side, symbol, colour in (
            ("long", "triangle-up", "#1a7f37"),
            ("short", "triangle-down", "#bf3989"),
        ):
            own = [trade for trade in trades if trade.side == side]
            if own:
                traces.append(
                    _markers(
                        f"{side} entry",
                        [t.entry_time for t in own],
                        [t.entry_price for t in own],
                        symbol,
                        colour,
                    )
                )
        leaves = [f"{trade.exit_reason}, {trade.pnl:+,.2f} $" for trade in trades]
        traces.append(
            _markers(
                "exit", [t.exit_time for t in trades], [t.exit_price for t in trades], "x", "#d1242f", leaves
            )
        )
        charts.append(
            Chart(f"{ticker}: {len(trades)} trades", _json(traces), _json(_layout("price, dollars")))
        )
    return charts


def _markers(
    name: str,
    when: Sequence[np.datetime64],
    price: Sequence[float],
    symbol: str,
    colour: str,
    text: Sequence[str] = (),
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": _times(np.array(when, dtype="datetime64[ns]")),
        "y": _numbers(np.array(price, dtype=np.float64)),
        "text": list(text),
        "marker": {"symbol": symbol, "color": colour, "size": 8},
    }


def _heatmap(evidence: "Evidence") -> Chart | None:
    """Sharpe ratio over the first two parameters; None without a sweep."""
    grid = heatmap_document(evidence.swept)
    if grid is None:
        return None
    trace = {
        "type": "heatmap",
        "x": [f"{value:g}" for value in grid["columns"]],
        "y": [f"{value:g}" for value in grid["rows"] or [0.0]],
        "z": grid["sharpe"],
        "colorscale": "Viridis",
        "colorbar": {"title": {"text": "Sharpe"}},
    }
    layout = _layout(grid["down"] or "", xaxis={"title": {"text": grid["across"]}, "type": "category"})
    layout["yaxis"]["type"] = "category"
    note = f"{len(evidence.swept):,} combinations"
    if grid["best_over"]:
        note += "; the best over the other parameters"
    return Chart("Sweep: Sharpe ratio by parameter", _json([trace]), _json(layout), note)


def _signed(value: float, shape: str) -> str:
    """A number with its sign, a true minus, or a dash where there is none."""
    if value != value:
        return DASH
    text = format(abs(value), shape)
    return f"{MINUS}{text}" if value < 0 else (f"+{text}" if value > 0 else text)


def _figure(name: str, value: float) -> str:
    if value != value:
        return DASH
    if name in _PERCENT:
        return _signed(value, ".2%") if name in ("total_return", "cagr", "max_drawdown") else f"{value:.2%}"
    if name in _DOLLARS:
        return f"{value:,.2f} $"
    if name in _POINTS:
        return _signed(value, ".2f") + " %"
    return f"{value:.0f}" if name in _WHOLE else f"{value:.2f}"


def _statistics_table(result: BacktestResult) -> Table:
    ours, theirs = result.stats.as_dict(), result.benchmark.stats.as_dict()
    rows = tuple(
        (name.replace("_", " "), _figure(name, ours[name]), _figure(name, theirs[name]), definition)
        for name, definition in DEFINITIONS.items()
    )
    return Table("Statistics", ("", "strategy", "buy-and-hold", "definition"), rows, ("definition",))


def _months_table(result: BacktestResult) -> Table:
    """Return of each calendar month and year from the last close of the one before."""
    months = result.panel.timestamps.astype("datetime64[M]")
    last = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    equity = result.equity[last]
    changes = equity / np.concatenate([[result.initial_cash], equity[:-1]]) - 1
    cells: dict[int, dict[int, float]] = {}
    for month, change in zip(months[last], changes, strict=True):
        year, number = divmod(int(month.astype(int)), 12)
        cells.setdefault(1970 + year, {})[number] = float(change)
    rows = []
    for year, found in cells.items():
        total = float(np.prod([1 + change for change in found.values()])) - 1
        months_of = (_signed(found[i], ".1%") if i in found else "" for i in range(12))
        rows.append((str(year), *months_of, _signed(total, ".1%")))
    return Table("Return by month", ("", *MONTHS, "year"), tuple(rows))


def _trades_table(result: BacktestResult) -> Table:
    shown: Sequence[Trade] = result.trades[-TRADES_SHOWN:]
    rows = tuple(
        (
            trade.ticker, trade.side, f"{trade.quantity:,}", str(trade.entry_time)[:16], f"{trade.entry_price:,.4g}",
            str(trade.exit_time)[:16], f"{trade.exit_price:,.4g}",
            trade.exit_reason + (" (ambiguous)" if trade.ambiguous else ""),
            _signed(trade.pnl, ",.2f"), _signed(trade.return_pct, ".2f"),
        )
        for trade in shown
    )  # fmt: skip
    columns = (
        "ticker",
        "side",
        "shares",
        "entry",
        "price, $",
        "exit",
        "price, $ ",
        "why",
        "profit, $",
        "profit, %",
    )
    note = f"the last {TRADES_SHOWN} of {len(result.trades):,}" if len(result.trades) > TRADES_SHOWN else ""
    return Table("Closed trades", columns, rows, ("side", "entry", "exit", "why"), note)


def _verdict_table(judged: "Verdict") -> Table:
    rows = tuple(
        (
            item.name,
            DASH if item.value != item.value else f"{item.value:.4g}",
            DASH if item.low is None or item.high is None else f"{item.low:.4g} to {item.high:.4g}",
            f"{item.threshold:g}",
            "yes" if item.passed else "no",
            item.note or item.source,
        )
        for item in judged.inputs
    )
    columns = ("input", "value", "95 % interval", "threshold", "passed", "source")
    return Table("Why", columns, rows, ("source",), f"{judged.trials:,} trials counted")


def _claims_table(claims: Sequence[Any]) -> Table:
    rows = tuple(
        (
            claim.text,
            claim.statistic.replace("_", " ") if claim.statistic else DASH,
            DASH if claim.claimed is None else _figure(claim.statistic, claim.claimed),
            DASH if claim.measured is None else _figure(claim.statistic, claim.measured),
        )
        for claim in claims
    )
    return Table("Claimed and measured", ("claim", "about", "claimed", "measured"), rows, ("about",))


def _evidence_tables(evidence: "Evidence") -> list[Table]:
    tables: list[Table] = []
    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...]
    for walk in (evidence.anchored, evidence.rolling):
        if walk is not None:
            rows = tuple(
                (
                    str(i + 1),
                    ", ".join(f"{name} {value:g}" for name, value in fold.params.items()) or DASH,
                    f"{fold.trained_sharpe:.2f}", f"{fold.tested_sharpe:.2f}", _signed(fold.tested_return, ".1%"),
                    _signed(fold.benchmark_return, ".1%"), str(fold.closed_trades),
                )
                for i, fold in enumerate(walk.folds)
            )  # fmt: skip
            columns = (
                "fold",
                "chosen",
                "Sharpe in sample",
                "Sharpe out of sample",
                "return",
                "buy-and-hold",
                "trades",
            )
            note = f"out of sample: Sharpe {walk.sharpe:.2f}, return {walk.total_return:+.1%}"
            tables.append(Table(f"Walk-forward, {walk.scheme}", columns, rows, ("chosen",), note))
    variants = (*evidence.costs, evidence.optimistic, evidence.pessimistic)
    rows = tuple(
        (
            v.name,
            f"{v.fee_bps:g}",
            f"{v.slippage_bps:g}",
            _signed(v.total_return, ".1%"),
            f"{v.sharpe:.2f}",
            _signed(v.excess, ".2%"),
            _signed(v.equal_risk, ".2%"),
        )
        for v in variants
    )
    columns = (
        "assumption",
        "fee, bp",
        "slippage, bp",
        "total return",
        "Sharpe",
        "excess a year",
        "at equal risk",
    )
    tables.append(Table("Other costs and fills", columns, rows))
    rows = tuple(
        (
            r.name, f"{r.bars:,}", _signed(r.strategy_return, ".1%"), _signed(r.benchmark_return, ".1%"),
            f"{r.strategy_sharpe:.2f}", f"{r.benchmark_sharpe:.2f}",
        )
        for r in evidence.regimes
    )  # fmt: skip
    columns = ("market", "bars", "strategy a year", "buy-and-hold a year", "Sharpe", "Sharpe of buy-and-hold")
    tables.append(Table("By mood of the market", columns, rows))
    if evidence.shuffled is not None:
        shuffled = evidence.shuffled
        rows = (
            ("maximum drawdown", *(_signed(value, ".1%") for value in shuffled.max_drawdown)),
            ("final equity / initial cash", *(f"{value:.2f}" for value in shuffled.multiple)),
        )
        note = f"{shuffled.runs:,} runs: drawdowns of the trades in another order, multiples of trades drawn again"
        tables.append(Table("Monte Carlo of the trades", ("", "5 %", "50 %", "95 %"), rows, (), note))
    return tables
