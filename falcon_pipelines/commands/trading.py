"""`falcon trade`: paper trading from the shell."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from falcon_pipelines.commands.console import Json, out, print_json
from falcon_pipelines.commands.database import database_session
from falcon_pipelines.commands.replays import replay

if TYPE_CHECKING:
    from falcon_pipelines.db.decisions import Choice

trade_app = typer.Typer(no_args_is_help=True, help="Trade on paper.")
trade_app.command()(replay)


@trade_app.callback()
def trade() -> None:
    """Trade on paper."""


@trade_app.command()
def accounts(json: Json = False) -> None:
    """All paper accounts: equity, positions, halts."""
    from dataclasses import asdict

    from falcon_pipelines.trading.overview import account_overviews

    with database_session() as session:
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
    with database_session() as session:
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

    with database_session() as session:
        standing = decide(session, newest_spec(session, spec), choice, by)
    out.print(
        f"{spec}: {'on paper' if standing.promoted else 'not on paper'}; {standing.reason}", highlight=False
    )


@trade_app.command()
def reset(account: Annotated[str, typer.Argument(help="Name of the account.", show_default=False)]) -> None:
    """End an account; its history stays, and the trader opens the next one with fresh cash."""
    from datetime import UTC, datetime

    from falcon_pipelines.trading.store import account_named, close_account

    with database_session() as session:
        close_account(session, account_named(session, account), datetime.now(UTC))
    out.print(f"{account}: closed; its history stays", highlight=False)


@trade_app.command()
def reconcile(json: Json = False) -> None:
    """Prove the books of every account from the database; a broken one makes no more entries."""
    from falcon_pipelines import settings
    from falcon_pipelines.local.stack import application_engine
    from falcon_pipelines.trading.errors import BooksDoNotBalance
    from falcon_pipelines.trading.reconciliation import halt_broken

    with application_engine(settings.load()) as engine:
        broken = halt_broken(engine)
    if json:
        print_json({"broken": broken})
    elif not broken:
        out.print("the books of all accounts balance")
    if broken:
        name, problems = next(iter(broken.items()))
        raise BooksDoNotBalance(
            f"account {name}: {problems[0]}; {len(broken)} broken, their entries are halted"
        )
