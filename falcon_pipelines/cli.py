"""The `falcon` command: puts the subcommands together and turns failures into one line and an exit code."""

import sys

import typer

from falcon_pipelines.commands import backtests
from falcon_pipelines.commands.console import err
from falcon_pipelines.errors import FalconError

app = typer.Typer(
    name="falcon",
    help="Find out which trading ideas really work, and act on them on paper.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def root(debug: bool = typer.Option(False, "--debug", help="Show tracebacks.")) -> None:
    """Find out which trading ideas really work, and act on them on paper."""


app.command()(backtests.backtest)
app.command()(backtests.sweep)
app.command()(backtests.verdict)


def main() -> None:
    """Run the command line; exits 0 on success, 1 on failure, 2 on wrong usage or bad input."""
    debug = "--debug" in sys.argv
    try:
        app()
    except FalconError as error:
        if debug:
            raise
        err.print(f"falcon: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        err.print(f"falcon: {type(error).__name__}: {error}; --debug shows where", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
