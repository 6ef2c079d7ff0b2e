"""The charts of a tearsheet, as plotly figures in JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.documents import heatmap_document
from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.backtesting.statistics import drawdown

if TYPE_CHECKING:
    from falcon_pipelines.backtesting.evidence import Evidence

STRATEGY, BENCHMARK = "#1f6feb", "#8a8f98"
PRICE_CHARTS = 3


@dataclass(frozen=True)
class Chart:
    """A plotly figure: traces and layout as JSON text."""

    title: str
    data: str
    layout: str
    note: str = ""


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


def equity_chart(result: BacktestResult) -> Chart:
    """Equity of the strategy and of buy-and-hold, on a log scale where nothing was ruined."""
    x = _times(result.panel.timestamps)
    layout = _layout("equity, dollars (log)")
    if min(result.equity.min(), result.benchmark.equity.min()) > 0:
        layout["yaxis"]["type"] = "log"
    traces = [
        _line("strategy", x, _numbers(result.equity, 2), STRATEGY),
        _line("buy-and-hold", x, _numbers(result.benchmark.equity, 2), BENCHMARK),
    ]
    return Chart("Equity against buy-and-hold", _json(traces), _json(layout))


def drawdown_chart(result: BacktestResult) -> Chart:
    """How far both were below their highs."""
    x, cash = _times(result.panel.timestamps), result.initial_cash
    traces = [
        _line("strategy", x, _numbers(100 * drawdown(result.equity, cash)), STRATEGY),
        _line("buy-and-hold", x, _numbers(100 * drawdown(result.benchmark.equity, cash)), BENCHMARK),
    ]
    return Chart("Drawdown", _json(traces), _json(_layout("below the high, %", height=280)))


def price_charts(result: BacktestResult) -> list[Chart]:
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


def heatmap(evidence: "Evidence") -> Chart | None:
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
