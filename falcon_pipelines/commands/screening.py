"""`falcon screen`: rank the market by profiles, and see whether that was worth anything."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands.console import Json, out, print_json
from falcon_pipelines.commands.screen_profiles import Loaded, load_named, profiles_app
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.screening.bar_sources import BarSource
    from falcon_pipelines.screening.judging import Judged
    from falcon_pipelines.screening.reference import ReferenceSource
    from falcon_pipelines.screening.screens import Screen

screen_app = typer.Typer(help="Rank the market by profiles, and see what came of it.", no_args_is_help=True)
screen_app.add_typer(profiles_app, name="profiles")

ProfileName = Annotated[
    str,
    typer.Argument(
        help="Name of a stored or bundled profile, or a profile file (.yaml).", show_default=False
    ),
]
Session = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Session to screen; default: the newest.")
]
At = Annotated[
    str,
    typer.Option(
        help="Run of the day: morning and midday see the bars of the session before, evening its own."
    ),
]
Bars = Annotated[
    Path | None,
    typer.Option(
        help="Day bars: CSV or Parquet of ticker,timestamp,open,high,low,close,volume, or a folder of LEAN coarse "
        "files; default: the bar store."
    ),
]
Minutes = Annotated[Path | None, typer.Option(help="Minute bars in the same columns, with --bars.")]
ReferenceCsv = Annotated[
    Path | None,
    typer.Option("--reference", help="CSV of ticker and sector, earnings_date, ...; default: as configured."),
]
Seed = Annotated[int, typer.Option(help="Of tie-breaking and shuffles.", min=0, max=2**31 - 1)]


@screen_app.command("run")
def run(
    profile: ProfileName,
    session: Session = None,
    at: At = "evening",
    bars: Bars = None,
    minutes: Minutes = None,
    reference: ReferenceCsv = None,
    seed: Seed = 20240102,
    llm: Annotated[
        bool, typer.Option("--llm/--no-llm", help="Let the configured models judge the finalists.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Keep the run: its picks count in the record.")
    ] = False,
    json: Json = False,
) -> None:
    """Screen one session and print the picks, or why the profile was skipped."""
    from falcon_pipelines.screening.documents import screen_document

    loaded = load_named(profile)
    [made] = _screens([loaded], session, at, bars, minutes, reference, seed)
    judged: Judged | None = None
    run_id: int | None = None
    if llm or save:
        made, judged, run_id = _judge_and_save(loaded, made, llm=llm, save=save)
    if json:
        print_json(screen_document(made, judged, run_id))
    else:
        _show(made)


@screen_app.command("candidates")
def candidates(
    profiles: Annotated[
        list[str] | None,
        typer.Argument(help="Profiles; default: all stored or bundled ones.", show_default=False),
    ] = None,
    session: Session = None,
    at: At = "evening",
    bars: Bars = None,
    minutes: Minutes = None,
    reference: ReferenceCsv = None,
    seed: Seed = 20240102,
    json: Json = False,
) -> None:
    """Screen one session with several profiles: one candidate per stock, naming all that picked it."""
    from falcon_pipelines.commands.screen_profiles import load_all
    from falcon_pipelines.db.candidates import merged
    from falcon_pipelines.screening.documents import candidate_document
    from falcon_pipelines.screening.store import choices

    loaded = [load_named(name) for name in profiles] if profiles else load_all()
    made = _screens(loaded, session, at, bars, minutes, reference, seed)
    together = merged(choice for one in made for choice in choices(one))
    skipped = {one.profile.name: one.reason for one in made if one.reason is not None}
    if json:
        print_json(
            {
                "session": made[0].session,
                "slot": made[0].slot,
                "version": made[0].version,
                "synthetic": made[0].synthetic,
                "profiles": [one.profile.name for one in made if one.reason is None],
                "skipped": skipped,
                "candidates": [candidate_document(candidate) for candidate in together],
            }
        )
        return
    table = Table(title=f"Candidates, {made[0].session}{_synthetic(made[0])}", caption=made[0].version)
    for heading in ("Ticker", "Picked by", "Close $", "Entry $", "Stop $", "Target $"):
        table.add_column(heading, justify="left" if heading in ("Ticker", "Picked by") else "right")
    for candidate in together:
        best = candidate.best
        names = ", ".join(f"{choice.profile} #{choice.rank}" for choice in candidate.choices)
        entry = f"{best.entry_low:.2f}–{best.entry_high:.2f}"
        table.add_row(
            candidate.ticker, names, f"{best.close:.2f}", entry, f"{best.stop:.2f}", f"{best.target:.2f}"
        )
    out.print(table)
    for name, reason in skipped.items():
        out.print(f"{name} skipped: {reason}", markup=False, soft_wrap=True)


def _screens(
    loaded: Sequence[Loaded],
    session: datetime | None,
    at: str,
    bars: Path | None,
    minutes: Path | None,
    reference: Path | None,
    seed: int,
) -> "tuple[Screen, ...]":
    from falcon_pipelines.screening.run import run_screens

    return run_screens(
        [one.profile for one in loaded],
        bar_source(bars, minutes),
        reference_source(reference),
        session.date() if session else None,
        _slot(at),
        seed,
    )


def _slot(at: str) -> Any:
    from falcon_pipelines.profiles.schema import SLOT_TIMES, nearest

    if at not in SLOT_TIMES:
        raise InputError(f"--at: unknown run '{at}'; {nearest(at, SLOT_TIMES)}")
    return at


def bar_source(bars: Path | None, minutes: Path | None) -> "BarSource":
    """The bars of the files given, else the bar store. Raises InputError, BadBarFile."""
    from falcon_pipelines.bars.bar_files import read_bar_file
    from falcon_pipelines.screening.bar_sources import FileBars
    from falcon_pipelines.screening.coarse_files import read_coarse_folder
    from falcon_pipelines.screening.sources import stored_bars

    if bars is None:
        if minutes is not None:
            raise InputError("--minutes goes with --bars; the bar store has minutes of its own")
        return stored_bars(settings_module.load())
    days = read_coarse_folder(bars) if bars.is_dir() else read_bar_file(bars)
    return FileBars(days, read_bar_file(minutes) if minutes is not None else None)


def reference_source(path: Path | None) -> "ReferenceSource | None":
    """The CSV given, else the configured source."""
    from falcon_pipelines.screening.reference_csv import CsvReference
    from falcon_pipelines.screening.sources import configured_reference

    return CsvReference(path) if path is not None else configured_reference(settings_module.load())


def _judge_and_save(
    loaded: Loaded, made: "Screen", *, llm: bool, save: bool
) -> "tuple[Screen, Judged | None, int | None]":
    from falcon_pipelines.db.engine import transaction
    from falcon_pipelines.local.stack import application_engine
    from falcon_pipelines.screening.judging import judge
    from falcon_pipelines.screening.model_client import judging_client
    from falcon_pipelines.screening.store import save_screen

    settings = settings_module.load()
    if llm and not settings.llm_providers:
        raise InputError("no language model is configured; set FALCON_LLM_PROVIDERS, or leave out --llm")
    judged, run_id = None, None
    with application_engine(settings) as engine:
        client = judging_client(loaded.profile, settings, engine) if llm else None
        if client is not None and made.picks:
            made, judged = judge(made, client)
        if save:
            with transaction(engine) as session:
                run_id = save_screen(session, made, profile_version=loaded.version, judged=judged)
    return made, judged, run_id


def _synthetic(made: "Screen") -> str:
    return " — SYNTHETIC bars" if made.synthetic else ""


def _show(made: "Screen") -> None:
    if made.reason is not None:
        out.print(f"{made.profile.name} skipped: {made.reason}", markup=False, soft_wrap=True)
        return
    table = Table(
        title=f"{made.profile.title}, {made.session}{_synthetic(made)}",
        caption=f"{made.universe} of {made.considered} tickers passed; {made.judged_by}; {made.version}",
    )
    for heading in ("#", "Ticker", "Score", "Close $", "Entry $", "Stop $", "Target $", "Confidence"):
        table.add_column(heading, justify="left" if heading == "Ticker" else "right")
    for pick in made.kept:
        table.add_row(
            str(pick.rank),
            pick.ticker,
            f"{pick.score:.3f}",
            f"{pick.close:.2f}",
            f"{pick.entry_low:.2f}–{pick.entry_high:.2f}",
            f"{pick.stop:.2f}",
            f"{pick.target:.2f}",
            "" if pick.confidence is None else f"{pick.confidence:.2f}",
        )
    out.print(table)
    for note in made.notes:
        out.print(note, markup=False, soft_wrap=True)
    for watched in made.watched:
        where = f"rank {watched.rank}" if watched.rank else f"out: {'; '.join(watched.failed)}"
        out.print(f"watched {watched.ticker}: {where}", markup=False, soft_wrap=True)
