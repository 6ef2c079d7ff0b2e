"""`falcon ingest` and `falcon bars`: bringing market data in, and looking at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import Progress
from rich.table import Table

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands.console import Json, err, out, print_json

if TYPE_CHECKING:
    from falcon_pipelines.bars.ingest import SessionFailed
    from falcon_pipelines.bars.store import BarStore

ingest_app = typer.Typer(help="Bring market data into the bar store.", no_args_is_help=True)
store_app = typer.Typer(help="Look after the bar store's files.", no_args_is_help=True)

Start = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First session.")]
End = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last session.")]
Source = Annotated[
    Literal["s3", "directory", "alpaca", "yfinance"] | None, typer.Option(help="Default: FALCON_SOURCE.")
]
Version = Annotated[str | None, typer.Option(help="Data version; default: the newest.")]
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
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV: ticker,kind,ex_date,ratio,amount,pay_date. Without: Massive's API."),
    ] = None,
    since: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First ex-date to ask Massive for.")
    ] = datetime(2003, 9, 10),  # noqa: DTZ001 - a date
    json: Json = False,
) -> None:
    """Ingest corporate actions; they replace all former ones of the tickers in them."""
    from falcon_pipelines.bars.actions import actions_table, file_etag, read_actions_csv
    from falcon_pipelines.bars.sources import actions_from_settings

    if file is not None:
        actions, source, etag, first = read_actions_csv(file), "csv", file_etag(file), None
    else:
        first = since.date()
        fetched = actions_from_settings(settings_module.load()).corporate_actions(first)
        actions, source, etag = actions_table(list(fetched.actions)), "massive", f"since {first}"
        for dividend in fetched.uncertain:
            action = dividend.action
            err.print(
                f"{action.ticker} {action.ex_date}: dividend of {dividend.reported:g} taken as reported"
            )
    with _writer() as store:
        entry = store.add_actions(actions, source, etag, first)
        _report_table("corporate actions", "actions", actions.height, entry is not None, store, json)


@ingest_app.command("securities")
def ingest_securities(
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV: security_id,ticker,first,last,name. Without: Massive's API."),
    ] = None,
    json: Json = False,
) -> None:
    """Ingest who was which ticker when; FILE replaces all former intervals of the ids in it."""
    from falcon_pipelines.bars.actions import file_etag
    from falcon_pipelines.bars.ingest import refresh_securities
    from falcon_pipelines.bars.securities import read_securities_csv
    from falcon_pipelines.bars.sources import actions_from_settings

    if file is not None:
        securities = read_securities_csv(file)
        with _writer() as store:
            entry = store.add_securities(securities, "csv", file_etag(file))
            _report_table("intervals", "securities", securities.height, entry is not None, store, json)
        return
    massive = actions_from_settings(settings_module.load())
    with _writer() as store:
        fetched, entry = refresh_securities(store, massive)
        if fetched.changes_refused:
            err.print(f"renames come from delistings only: {fetched.changes_refused}", markup=False)
        _report_table("intervals", "securities", fetched.table.height, entry is not None, store, json)


@store_app.command("size")
def store_size(json: Json = False) -> None:
    """Show what the bar store holds on disk."""
    from falcon_pipelines.bars.housekeeping import size_report
    from falcon_pipelines.bars.store import BarStore

    store = BarStore(settings_module.load().market_data)
    report = size_report(store)
    if json:
        document = vars(report) | {"tiers": [vars(tier) for tier in report.tiers]}
        print_json({"root": str(store.root), "version": store.current_version(), **document})
        return
    table = Table("Tier", title=f"{store.root}, version {store.current_version()}")
    table.add_column("Files", justify="right")
    table.add_column("MB", justify="right")
    for tier in report.tiers:
        table.add_row(tier.tier, f"{tier.files:,}", f"{tier.size_bytes / 1e6:,.1f}")
    out.print(table)
    out.print(
        f"{report.sessions:,} sessions, {report.rows:,} rows, {report.revisions:,} revisions "
        f"({report.superseded:,} superseded)"
    )


@store_app.command("sweep")
def store_sweep(json: Json = False) -> None:
    """Remove leftovers of killed runs and derived files that only older versions read."""
    from falcon_pipelines.bars.housekeeping import sweep

    with _writer() as store:
        swept = sweep(store)
    if json:
        print_json(vars(swept))
    else:
        out.print(
            f"removed {swept.temporary_folders} temporary folders, {swept.orphaned_files} orphaned files, "
            f"{swept.derived_files} derived files"
        )


@store_app.command("verify")
def store_verify(version: Version = None, json: Json = False) -> None:
    """Compare every file of a version with its hash; exits 1 when one differs."""
    from falcon_pipelines.bars.housekeeping import verify
    from falcon_pipelines.bars.store import BarStore

    store = BarStore(settings_module.load().market_data)
    damages = verify(store, version)
    if json:
        print_json({"version": store.log(version).version, "damaged": [vars(damage) for damage in damages]})
    else:
        for damage in damages:
            out.print(f"{damage.path}: {damage.problem}", highlight=False)
        out.print(f"version {store.log(version).version}: {len(damages)} files damaged")
    if damages:
        raise typer.Exit(1)


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
    version: Version = None,
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
    source: Literal["s3", "directory", "alpaca", "yfinance"] | None,
    directory: Path | None,
    json: bool,
) -> None:
    from falcon_pipelines.bars import calendar
    from falcon_pipelines.bars.ingest import IngestResult, SessionFailed, ingest_each, raise_failures
    from falcon_pipelines.bars.sources import source_from_settings

    if end < start:
        raise typer.BadParameter(f"{end} is before {start}", param_hint="--end")
    settings = settings_module.load()
    files = source_from_settings(settings, source, directory)
    sessions = calendar.sessions(start, end)
    done: list[IngestResult] = []
    failed: list[SessionFailed] = []
    with _writer() as store:
        try:
            with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
                task = progress.add_task(f"{frequency} bars", total=len(sessions))
                for outcome in ingest_each(files, store, frequency, sessions):
                    if isinstance(outcome, SessionFailed):
                        failed.append(outcome)
                    else:
                        done.append(outcome)
                    progress.advance(task)
        finally:
            if done:
                store.build_history(frequency, done[0].session, done[-1].session)
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
                "failed": [_failure(item) for item in failed],
            }
        )
    elif not failed:
        table = Table(
            "Source", "Sessions", "New revisions", "Rows", "Quarantined", "Version", title=f"{frequency} bars"
        )
        table.add_row(files.name, f"{len(done)}", f"{new}", f"{rows:,}", f"{quarantined:,}", version)
        out.print(table)
    raise_failures(failed)


def _failure(item: "SessionFailed") -> dict[str, Any]:
    kept = getattr(item.error, "quarantine_file", None)
    return {
        "session": item.session,
        "error": type(item.error).__name__,
        "message": str(item.error),
        "quarantine_file": None if kept is None else str(kept),
    }


def _report_table(what: str, key: str, count: int, is_new: bool, store: "BarStore", json: bool) -> None:
    version = store.current_version()
    if json:
        print_json({key: count, "status": "new_revision" if is_new else "unchanged", "version": version})
    else:
        out.print(f"{count} {what} {'added' if is_new else 'known already'}; version {version}")


@contextmanager
def _writer() -> Iterator["BarStore"]:
    """The settings' store, on the configured database or the embedded one, with the newest schema."""
    from falcon_pipelines.bars.store import BarStore
    from falcon_pipelines.local.stack import application_engine

    settings = settings_module.load()
    with application_engine(settings) as engine:
        yield BarStore(settings.market_data, engine)
