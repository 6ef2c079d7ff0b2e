"""`falcon ingest` and `falcon bars`: bringing market data in, and looking at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import Progress
from rich.table import Table

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands.console import Json, err, out, print_json

ingest_app = typer.Typer(help="Bring market data into the bar store.", no_args_is_help=True)

Start = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First session.")]
End = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last session.")]
Source = Annotated[Literal["s3", "directory"] | None, typer.Option(help="Default: FALCON_SOURCE.")]
Directory = Annotated[Path | None, typer.Option(help="Folder of flat files, for source `directory`.")]


@ingest_app.command("day")
def ingest_day(
    start: Start, end: End, source: Source = None, directory: Directory = None, json: Json = False
) -> None:
    """Ingest the day bars of all sessions from START to END."""
    _ingest("day", start.date(), end.date(), source, directory, json)


@ingest_app.command("minute")
def ingest_minute(
    start: Start, end: End, source: Source = None, directory: Directory = None, json: Json = False
) -> None:
    """Ingest the minute bars of all sessions from START to END."""
    _ingest("minute", start.date(), end.date(), source, directory, json)


@ingest_app.command("actions")
def ingest_actions(
    file: Annotated[Path, typer.Argument(help="CSV: ticker,kind,ex_date,ratio,amount,pay_date.")],
    json: Json = False,
) -> None:
    """Ingest corporate actions; they replace all former ones of the tickers in FILE."""
    from falcon_pipelines.bars.actions import file_etag, read_actions_csv
    from falcon_pipelines.bars.store import BarStore
    from falcon_pipelines.db.engine import database_engine

    actions = read_actions_csv(file)
    settings = settings_module.load()
    with _database_url(settings) as url:
        store = BarStore(settings.market_data, database_engine(url))
        entry = store.add_actions(actions, "csv", file_etag(file))
        version = store.current_version()
    if json:
        print_json(
            {
                "actions": actions.height,
                "status": "new_revision" if entry else "unchanged",
                "version": version,
            }
        )
    else:
        out.print(
            f"{actions.height} corporate actions {'added' if entry else 'known already'}; version {version}"
        )


def bars(
    ticker: Annotated[str, typer.Argument(help="As published, such as AAPL.")],
    start: Start,
    end: End,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Corporate actions known on that day.")
    ] = None,
    adjust: Annotated[
        Literal["none", "splits", "all"], typer.Option(help="`all` is splits and dividends.")
    ] = "none",
    freq: Annotated[Literal["day", "minute"], typer.Option()] = "day",
    version: Annotated[str | None, typer.Option(help="Data version; default: the newest.")] = None,
    json: Json = False,
) -> None:
    """Show a ticker's bars, and the version they come from."""
    from falcon_pipelines.bars.store import BarStore

    store = BarStore(settings_module.load().market_data)
    day = as_of.date() if as_of else None
    panel = store.panel(
        [ticker], start.date(), end.date(), adjust=adjust, as_of=day, version=version, frequency=freq
    )
    history = store.rows_of(panel)
    document: dict[str, Any] = {
        "ticker": ticker,
        "version": panel.version,
        "adjust": adjust,
        "as_of": panel.as_of,
        "frequency": freq,
        "synthetic": panel.synthetic,
        "rows": history,
    }
    if json:
        print_json(document)
        return
    label = " (synthetic)" if panel.synthetic else ""
    basis = "unadjusted" if adjust == "none" else f"adjusted for {adjust} as of {panel.as_of}"
    table = Table("Time (UTC)", title=f"{ticker}{label}, {freq} bars, {basis}, version {panel.version}")
    for name in ("Open $", "High $", "Low $", "Close $", "Volume"):
        table.add_column(name, justify="right")
    for row in history:
        prices = [f"{row[name]:.4f}" for name in ("open", "high", "low", "close")]
        table.add_row(row["timestamp"].isoformat(), *prices, f"{row['volume']:,.0f}")
    out.print(table)


def _ingest(
    frequency: Literal["day", "minute"],
    start: date,
    end: date,
    source: Literal["s3", "directory"] | None,
    directory: Path | None,
    json: bool,
) -> None:
    from falcon_pipelines.bars import calendar
    from falcon_pipelines.bars.ingest import IngestResult, ingest_sessions
    from falcon_pipelines.bars.sources import source_from_settings
    from falcon_pipelines.bars.store import BarStore
    from falcon_pipelines.db.engine import database_engine

    if end < start:
        raise typer.BadParameter(f"{end} is before {start}", param_hint="--end")
    settings = settings_module.load()
    files = source_from_settings(settings, source, directory)
    sessions = calendar.sessions(start, end)
    done: list[IngestResult] = []
    with _database_url(settings) as url:
        store = BarStore(settings.market_data, database_engine(url))
        with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
            task = progress.add_task(f"{frequency} bars", total=len(sessions))
            for result in ingest_sessions(files, store, frequency, sessions):
                done.append(result)
                progress.advance(task)
        if any(result.status == "new_revision" for result in done):
            store.build_history(frequency, start, end)
        version = store.current_version()
    new = sum(result.status == "new_revision" for result in done)
    rows, quarantined = sum(result.rows for result in done), sum(result.quarantined for result in done)
    if json:
        print_json(
            {
                "frequency": frequency,
                "source": files.name,
                "synthetic": files.basis == "synthetic",
                "version": version,
                "sessions": len(done),
                "new_revisions": new,
                "rows": rows,
                "quarantined": quarantined,
                "results": [vars(result) for result in done],
            }
        )
        return
    table = Table(
        "Source", "Sessions", "New revisions", "Rows", "Quarantined", "Version", title=f"{frequency} bars"
    )
    table.add_row(files.name, f"{len(done)}", f"{new}", f"{rows:,}", f"{quarantined:,}", version)
    out.print(table)


@contextmanager
def _database_url(settings: settings_module.Settings) -> Iterator[str]:
    """The configured database, or the embedded one, with the newest schema."""
    from falcon_pipelines.db.embedded import embedded_postgres
    from falcon_pipelines.local.stack import migrate, prepare_home

    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        migrate(url)
        yield url
        return
    prepare_home(settings.home)
    with embedded_postgres(settings.home) as server:
        url = server.url("falcon")
        migrate(url)
        yield url
