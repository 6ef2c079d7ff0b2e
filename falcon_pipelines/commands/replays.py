"""`falcon trade replay`: an order script or a strategy spec over bars, and what came of it."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from falcon_pipelines.commands.backtest_inputs import Bars, Day, Tickers, between, load_panel, parse_range
from falcon_pipelines.commands.console import Json, out, print_json, status
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from falcon_pipelines.bars.panel import Panel
    from falcon_pipelines.strategies.spec import Spec
    from falcon_pipelines.trading.replay import ReplayResult

File = Annotated[
    Path,
    typer.Argument(
        help="An order script or a strategy spec, YAML or JSON, or the name of a built-in spec.",
        show_default=False,
    ),
]
Cash = Annotated[
    float | None, typer.Option(help="Initial cash of a spec, dollars; default: 100,000.", min=0.01)
]


def replay(
    file: File,
    bars: Bars = None,
    tickers: Tickers = None,
    cash: Cash = None,
    start: Day = None,
    end: Day = None,
    json: Json = False,
) -> None:
    """Paper-trade an order script or a spec over bars: fills, postings, positions."""
    from falcon_pipelines.strategies.library import find_spec, library_names
    from falcon_pipelines.trading.report import replay_document
    from falcon_pipelines.trading.script import read_document

    built_in = str(file) in library_names() and not file.is_file()
    document = {} if built_in else read_document(file)
    with status("Replaying"):
        if built_in or "spec_version" in document:
            result = _spec(find_spec(file), bars, tickers, cash, start, end)
        elif tickers is not None or cash is not None:
            raise InputError(
                f"{file}: an order script names its own cash and tickers; leave --cash and --tickers out"
            )
        else:
            result = _script(file, document, bars, start, end)
    printed = replay_document(result)
    if json:
        print_json(printed)
    else:
        _show(printed)


def _spec(
    spec: "Spec",
    bars: Path | None,
    tickers: str | None,
    cash: float | None,
    start: str | None,
    end: str | None,
) -> "ReplayResult":
    from falcon_pipelines.trading.orders import usd
    from falcon_pipelines.trading.replay import replay_spec

    spec = spec.with_params()
    panel = load_panel(spec, tickers, bars, start, end)
    return replay_spec(spec, panel, usd(100_000.0 if cash is None else cash))


def _script(
    file: Path, document: dict[str, Any], bars: Path | None, start: str | None, end: str | None
) -> "ReplayResult":
    from falcon_pipelines.bars.bar_files import read_bar_file
    from falcon_pipelines.trading.replay import replay as run
    from falcon_pipelines.trading.script import parse_script

    script = parse_script(document, str(file))
    panel = _stored(file, script.tickers) if bars is None else read_bar_file(bars)
    return run(script, between(panel, *parse_range(start, end)))


def _stored(file: Path, tickers: tuple[str, ...]) -> "Panel":
    from falcon_pipelines import settings
    from falcon_pipelines.bars.store import BarStore
    from falcon_pipelines.trading.errors import CannotTrade

    store = BarStore(settings.load().market_data)
    sessions = store.sessions("day")
    if not sessions or not tickers:
        raise CannotTrade(f"{file}: there are no stored day bars to replay it on; use --bars FILE")
    return store.panel(tickers, sessions[0], sessions[-1], adjust="none", as_of=None, frequency="day")


def _show(result: dict[str, Any]) -> None:
    out.print(
        f"Equity ${result['equity']:,.2f}: cash ${result['cash']:,.2f} "
        f"(settled ${result['settled_cash']:,.2f}), "
        f"receivables ${result['receivables']:,.2f}, positions ${result['market_value']:,.2f}. "
        f"Realised ${result['realised']:,.2f}.",
        highlight=False,
    )
    for table in (_fills(result["fills"]), _positions(result["positions"])):
        if table.row_count:
            out.print(table)
    shown = {order["id"] for row in result["positions"] for order in row["orders"]}
    for order in result["orders"]:
        if order["status"] == "open" and order["id"] not in shown:
            left = f"{order['quantity'] - order['filled']:,} {order['ticker']}"
            why = f": {order['reason']}" if order["reason"] else ""
            what = f"{order['side']} {left} {_resting(order)}"
            out.print(f"open {order['id']}: {what}{why}", markup=False, highlight=False)
    for row in result["rejections"]:
        out.print(f"refused {row['order']}: {row['reason']}", markup=False, highlight=False)
    for row in result["halts"]:
        out.print(f"entries are halted: {row['reason']}", markup=False, highlight=False)
    out.print(f"{len(result['postings'])} postings, all in balance; --json shows them", highlight=False)


def _fills(rows: list[dict[str, Any]]) -> "Table":
    """One row a fill; fees and flags only where there are any."""
    from rich.table import Table

    table = Table("time (UTC)", "order", "side", "ticker", title="Fills", title_justify="left")
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    table.columns[1].min_width = 8
    table.columns[3].no_wrap = True
    charged, flagged = (any(row[name] for row in rows) for name in ("fee", "flags"))
    for name in ("quantity", "price", *(("fee",) if charged else ())):
        table.add_column(name, justify="right", no_wrap=True)
    if flagged:
        table.add_column("flags", overflow="fold", min_width=9)
    for row in rows:
        cells = [f"{row['time']:%Y-%m-%dT%H:%MZ}", row["order"], row["side"], row["ticker"]]
        cells += [f"{row['quantity']:,}", _dollars(row["price"])]
        cells += [f"{row['fee']:,.4f}"] if charged else []
        cells += [", ".join(row["flags"])] if flagged else []
        table.add_row(*cells)
    return table


def _positions(rows: list[dict[str, Any]]) -> "Table":
    """One row a position, with the orders that rest on it."""
    from rich.table import Table

    table = Table("ticker", title="Positions", title_justify="left")
    for name in ("quantity", "cost a share", "price", "profit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("orders")
    for row in rows:
        resting = "; ".join(_resting(order) for order in row["orders"])
        prices = (_dollars(row["cost_per_share"]), _dollars(row["price"]), f"{row['unrealised']:,.4f}")
        table.add_row(row["ticker"], f"{row['quantity']:,}", *prices, resting)
    return table


def _dollars(price: Decimal) -> str:
    """A price with as many decimals as it needs: the books have six, and there are stocks below a cent."""
    return f"{price:,.4f}" if price >= 1 else f"{price:,.6f}"


def _resting(order: dict[str, Any]) -> str:
    """An open order in two or three words."""
    if order["due"] is not None:
        return f"sale on {order['due']}"
    levels = [_dollars(order[name]) for name in ("stop", "limit") if order[name] is not None]
    return " ".join([order["type"], *levels])
