"""The `falcon` command: puts the subcommands together and turns failures into one line and an exit code."""

import sys

import typer

from falcon_pipelines.commands import (
    backtests,
    bars,
    demo,
    extraction,
    feed,
    readings,
    runs,
    screening,
    services,
    specs,
    trader,
    trading,
    users,
)
from falcon_pipelines.commands.console import err
from falcon_pipelines.errors import FalconError

app = typer.Typer(
    name="falcon",
    help="Find out which trading ideas really work, and act on them on paper.",
    epilog="--debug anywhere shows where an error came from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(demo.demo)
app.command()(services.up)
app.command()(services.status)
app.command()(services.forget)
app.command()(services.check)
app.add_typer(bars.ingest_app, name="ingest")
app.add_typer(bars.store_app, name="store")
app.command()(bars.bars)
app.add_typer(screening.screen_app, name="screen")
app.command()(extraction.extract)
app.command()(readings.readings)
app.add_typer(extraction.eval_app, name="eval")
app.add_typer(specs.spec_app, name="spec")
app.command()(specs.lookahead)
app.command()(backtests.backtest)
app.command()(backtests.sweep)
app.command()(backtests.verdict)
app.command()(feed.feed)
app.command()(runs.runs)
app.add_typer(trading.trade_app, name="trade")
app.command()(trader.trader)
app.add_typer(services.db_app, name="db")
app.add_typer(users.user_app, name="user")


def main() -> None:
    """Run the command line; exits 0 on success, 1 on failure, 2 on wrong usage or bad input."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(args=arguments)
    except FalconError as error:
        if debug:
            raise
        _complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        _complain(f"{type(error).__name__}: {error}; --debug shows where")
        sys.exit(1)


def _complain(message: str) -> None:
    err.print(f"falcon: {message}", markup=False, highlight=False, soft_wrap=True)
