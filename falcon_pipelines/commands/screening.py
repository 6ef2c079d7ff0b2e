"""`falcon screen`: rank the market by profiles, and see whether that was worth anything."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands import screen_records
from falcon_pipelines.commands.console import Json, out, print_json
from falcon_pipelines.commands.screen_inputs import (
    At,
    Bars,
    Minutes,
    ProfileName,
    ReferenceCsv,
    Seed,
    Session,
    bar_source,
    reference_source,
    slot_named,
)
from falcon_pipelines.commands.screen_profiles import Loaded, load_named, profiles_app
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.screening.judging import Judged
    from falcon_pipelines.screening.screens import Screen

screen_app = typer.Typer(help="Rank the market by profiles, and see what came of it.", no_args_is_help=True)
screen_app.add_typer(profiles_app, name="profiles")
screen_records.register(screen_app)


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
        slot_named(at),
        seed,
    )


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
