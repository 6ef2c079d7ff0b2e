"""`falcon screen`: rank the market by a profile, from the shell."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands.console import Json, out, print_json

screen_app = typer.Typer(help="Rank the market by a profile.", no_args_is_help=True)


@screen_app.command("run")
def run(
    profile: Annotated[str, typer.Argument(help="Name of a bundled profile, or a profile file (.yaml).")],
    session: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Session to screen; default: the newest.")
    ] = None,
    json: Json = False,
) -> None:
    """Screen one session and print the picks."""
    from falcon_pipelines.bars.store import BarStore
    from falcon_pipelines.screening.profile import find_profile
    from falcon_pipelines.screening.run import run_screen

    chosen = find_profile(profile)
    store = BarStore(settings_module.load().market_data)
    result = run_screen(chosen, store, session.date() if session else None)
    if json:
        print_json(
            {
                "profile": result.profile,
                "session": result.session,
                "version": result.version,
                "universe": result.universe,
                "synthetic": result.synthetic,
                "picks": [vars(pick) for pick in result.picks],
            }
        )
        return
    note = " — SYNTHETIC bars" if result.synthetic else ""
    table = Table(
        title=f"{chosen.title}, {result.session}{note}",
        caption=f"{result.universe} tickers passed; {result.version}",
    )
    for heading in ("#", "Ticker", "Score", "Close $", "Entry $", "Stop $", "Target $"):
        table.add_column(heading, justify="left" if heading == "Ticker" else "right")
    for pick in result.picks:
        table.add_row(
            str(pick.rank),
            pick.ticker,
            f"{pick.score:.3f}",
            f"{pick.close:.2f}",
            f"{pick.entry_low:.2f}–{pick.entry_high:.2f}",
            f"{pick.stop:.2f}",
            f"{pick.target:.2f}",
        )
    out.print(table)
