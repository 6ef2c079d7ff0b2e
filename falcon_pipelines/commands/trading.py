"""`falcon trade`: paper trading from the shell."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from falcon_pipelines.commands.console import Json, out, print_json, status

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from falcon_pipelines.bars.panel import Panel
    from falcon_pipelines.db.decisions import Choice
    from falcon_pipelines.trading.replay import ReplayResult

trade_app = typer.Typer(no_args_is_help=True, help="Trade on paper.")

File = Annotated[
    Path, typer.Argument(help="An order script or a strategy spec, YAML or JSON.", show_default=False)
]
Bars = Annotated[
    Path | None,
    typer.Option(
        help="CSV or Parquet of ticker,timestamp,open,high,low,close,volume; default: the bar store."
    ),
]
Cash = Annotated[
    float | None, typer.Option(help="Initial cash of a spec, dollars; default: 100,000.", min=0.01)
]
Tickers = Annotated[str | None, typer.Option(help="Comma-separated, for a spec; default: its universe.")]
Day = Annotated[str | None, typer.Option(metavar="DATE", help="Session, as 2014-06-09.")]


@trade_app.callback()
def trade() -> None:
    """Trade on paper."""


@trade_app.command()
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
    from falcon_pipelines.trading.report import replay_document
    from falcon_pipelines.trading.script import read_document

    document = read_document(file)
    with status("Replaying"):
        if "spec_version" in document:
            result = _spec(file, bars, tickers, cash, start, end)
        else:
            result = _script(file, document, bars, tickers, cash, start, end)
    printed = replay_document(result)
    if json:
        print_json(printed)
    else:
        _show(printed)


@trade_app.command()
def accounts(json: Json = False) -> None:
    """All paper accounts: equity, positions, halts."""
    from dataclasses import asdict

    from falcon_pipelines.trading.overview import account_overviews

    with _database() as session:
        rows = account_overviews(session)
    if json:
        print_json({"accounts": [asdict(row) for row in rows]})
        return
    from rich.table import Table

    table = Table("account", "session")
    for name in ("equity", "cash", "positions"):
        table.add_column(name, justify="right")
    table.add_column("entries")
    for row in rows:
        table.add_row(
            row.name,
            str(row.session or "—"),
            f"{row.equity:,.2f}",
            f"{row.cash:,.2f}",
            str(len(row.positions)),
            ", ".join(halt.kind for halt in row.halts) or "allowed",
        )
    out.print(table)


@trade_app.command()
def tell(
    account: Annotated[str, typer.Argument(help="Name of the account.", show_default=False)],
    command: Annotated[
        str,
        typer.Argument(
            help="pause, resume, flatten, acknowledge, close, cancel or edit_stop.", show_default=False
        ),
    ],
    target: Annotated[str | None, typer.Argument(help="Ticker to close; order to cancel or edit.")] = None,
    stop: Annotated[float | None, typer.Option(help="New stop price, for edit_stop.", min=0.000001)] = None,
    by: Annotated[str, typer.Option(envvar="USER", help="Who asks.")] = "operator",
    json: Json = False,
) -> None:
    """Tell an account what to do; it does so on the next bar."""
    from falcon_pipelines.db.commands import request_command
    from falcon_pipelines.trading.store import account_named

    price = None if stop is None else Decimal(str(stop))
    with _database() as session:
        request_command(session, account_named(session, account), command, by, target=target, stop=price)
    if json:
        print_json(
            {"account": account, "command": command, "target": target, "stop": stop, "status": "asked"}
        )
    else:
        out.print(f"{account}: {command} takes effect on the next bar", highlight=False)


SpecName = Annotated[str, typer.Argument(help="Name of a stored spec.", show_default=False)]
By = Annotated[str, typer.Option(envvar="USER", help="Who decides.")]


@trade_app.command()
def approve(spec: SpecName, by: By = "operator") -> None:
    """Allow a strategy onto paper; its verdict must be `works` or `promising` as well."""
    _decide(spec, "approve", by)


@trade_app.command()
def retire(spec: SpecName, by: By = "operator") -> None:
    """Take a strategy off paper; its account and history stay."""
    _decide(spec, "retire", by)


def _decide(spec: str, choice: "Choice", by: str) -> None:
    from falcon_pipelines.strategies.store import newest_spec
    from falcon_pipelines.trading.promotion import decide

    with _database() as session:
        standing = decide(session, newest_spec(session, spec), choice, by)
    out.print(
        f"{spec}: {'on paper' if standing.promoted else 'not on paper'}; {standing.reason}", highlight=False
    )


@trade_app.command()
def reset(account: Annotated[str, typer.Argument(help="Name of the account.", show_default=False)]) -> None:
    """End an account; its history stays, and the trader opens the next one with fresh cash."""
    from datetime import UTC, datetime

    from falcon_pipelines.trading.store import account_named, close_account

    with _database() as session:
        close_account(session, account_named(session, account), datetime.now(UTC))
    out.print(f"{account}: closed; its history stays", highlight=False)


@trade_app.command()
def reconcile(json: Json = False) -> None:
    """Prove the books of every account from the database; a broken one makes no more entries."""
    from falcon_pipelines.trading.errors import BooksDoNotBalance
    from falcon_pipelines.trading.reconciliation import halt_broken

    with _database() as session:
        broken = halt_broken(session)
    if json:
        print_json({"broken": broken})
    elif not broken:
        out.print("the books of all accounts balance")
    if broken:
        name, problems = next(iter(broken.items()))
        raise BooksDoNotBalance(
            f"account {name}: {problems[0]}; {len(broken)} broken, their entries are halted"
        )


@contextmanager
def _database() -> Iterator["Session"]:
    """A transaction on the configured database or the embedded one, with the newest schema."""
    from falcon_pipelines import settings
    from falcon_pipelines.db.engine import transaction
    from falcon_pipelines.local.stack import application_engine

    with application_engine(settings.load()) as engine, transaction(engine) as session:
        yield session


def _spec(
    file: Path, bars: Path | None, tickers: str | None, cash: float | None, start: str | None, end: str | None
) -> "ReplayResult":
    from falcon_pipelines.commands.backtest_inputs import load_panel
    from falcon_pipelines.strategies.spec import load_spec
    from falcon_pipelines.trading.orders import usd
    from falcon_pipelines.trading.replay import replay_spec

    spec = load_spec(file).with_params()
    panel = load_panel(spec, tickers, bars, start, end)
    return replay_spec(spec, panel, usd(100_000.0 if cash is None else cash))


def _script(
    file: Path,
    document: dict[str, Any],
    bars: Path | None,
    tickers: str | None,
    cash: float | None,
    start: str | None,
    end: str | None,
) -> "ReplayResult":
    from falcon_pipelines.trading.errors import CannotTrade
    from falcon_pipelines.trading.replay import replay as run
    from falcon_pipelines.trading.script import parse_script

    if tickers is not None or cash is not None:
        raise CannotTrade(
            f"{file}: an order script names its own cash and tickers; leave --cash and --tickers out"
        )
    script = parse_script(document, str(file))
    if bars is not None:
        from falcon_pipelines.bars.bar_files import read_bar_file

        panel = read_bar_file(bars)
    else:
        panel = _stored(file, script.tickers)
    return run(script, _cut(panel, start, end))


def _stored(file: Path, tickers: tuple[str, ...]) -> "Panel":
    from falcon_pipelines import settings
    from falcon_pipelines.bars.store import BarStore
    from falcon_pipelines.trading.errors import CannotTrade

    store = BarStore(settings.load().market_data)
    sessions = store.sessions("day")
    if not sessions or not tickers:
        raise CannotTrade(f"{file}: there are no stored day bars to replay it on; use --bars FILE")
    return store.panel(tickers, sessions[0], sessions[-1], adjust="none", as_of=None, frequency="day")


def _cut(panel: "Panel", start: str | None, end: str | None) -> "Panel":
    from datetime import UTC, timedelta

    import numpy as np

    from falcon_pipelines.bars.calendar import midnight
    from falcon_pipelines.commands.backtest_inputs import parse_day

    first, last = parse_day(start, "--start"), parse_day(end, "--end")
    stamps = panel.timestamps
    rows = [0, len(panel)]
    for place, day in enumerate((first, None if last is None else last + timedelta(days=1))):
        if day is not None:
            moment = midnight(day).astimezone(UTC).replace(tzinfo=None)
            rows[place] = int(stamps.searchsorted(np.datetime64(moment, "ns")))
    return panel.rows(*rows)


def _show(result: dict[str, Any]) -> None:
    from rich.table import Table

    out.print(
        f"Equity ${result['equity']:,.2f}: cash ${result['cash']:,.2f} "
        f"(settled ${result['settled_cash']:,.2f}), "
        f"receivables ${result['receivables']:,.2f}, positions ${result['market_value']:,.2f}. "
        f"Realised ${result['realised']:,.2f}.",
        highlight=False,
    )
    fills = Table("time (UTC)", "order", "side", "ticker", title="Fills", title_justify="left")
    fills.columns[0].no_wrap = True
    fills.columns[1].overflow = "fold"
    fills.columns[1].min_width = 8
    fills.columns[3].no_wrap = True
    charged = any(row["fee"] for row in result["fills"])
    for name in ("quantity", "price", *(("fee",) if charged else ())):
        fills.add_column(name, justify="right", no_wrap=True)
    fills.add_column("flags", overflow="fold")
    for row in result["fills"]:
        when = f"{row['time']:%Y-%m-%dT%H:%MZ}"
        numbers = [f"{row['quantity']:,}", f"{row['price']:,.4f}", f"{row['fee']:,.4f}"][: 2 + charged]
        fills.add_row(when, row["order"], row["side"], row["ticker"], *numbers, ", ".join(row["flags"]))
    held = Table("ticker", title="Positions", title_justify="left")
    for name in ("quantity", "cost a share", "price", "profit"):
        held.add_column(name, justify="right", no_wrap=True)
    held.add_column("orders")
    for row in result["positions"]:
        resting = "; ".join(_resting(order) for order in row["orders"])
        values = (row["cost_per_share"], row["price"], row["unrealised"])
        held.add_row(row["ticker"], f"{row['quantity']:,}", *(f"{n:,.4f}" for n in values), resting)
    for table in (fills, held):
        if table.row_count:
            out.print(table)
    for row in result["rejections"]:
        out.print(f"refused {row['order']}: {row['reason']}", markup=False, highlight=False)
    for row in result["halts"]:
        out.print(f"entries are halted: {row['reason']}", markup=False, highlight=False)
    out.print(f"{len(result['postings'])} postings, all in balance; --json shows them", highlight=False)


def _resting(order: dict[str, Any]) -> str:
    """An open order in two or three words."""
    if order["due"] is not None:
        return f"sale on {order['due']}"
    levels = [f"{order[name]:,.4f}" for name in ("stop", "limit") if order[name] is not None]
    return " ".join([order["type"], *levels])
