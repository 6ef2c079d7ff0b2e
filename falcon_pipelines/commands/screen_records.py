"""`falcon screen record`, `backtest`, and the weight changes that follow from them."""

import getpass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands.console import Json, out, print_json, status
from falcon_pipelines.commands.screen_inputs import (
    At,
    Bars,
    Minutes,
    ProfileName,
    ReferenceCsv,
    Seed,
    bar_source,
    reference_source,
    slot_named,
)
from falcon_pipelines.commands.screen_profiles import load_named

if TYPE_CHECKING:
    from falcon_pipelines.screening.record import Record

proposals_app = typer.Typer(
    help="Other weights for a profile: proposed, decided by you, reversible.", no_args_is_help=True
)

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
ProposalId = Annotated[int, typer.Argument(help="Number of the proposal.", show_default=False)]


def record(
    profile: Annotated[str, typer.Argument(help="Name of a stored profile.", show_default=False)],
    json: Json = False,
) -> None:
    """Score the runs whose horizon has closed, and say what the picks were worth."""
    from falcon_pipelines.db.engine import transaction
    from falcon_pipelines.local.stack import application_engine
    from falcon_pipelines.profiles.documents import unknown
    from falcon_pipelines.profiles.store import list_profiles, profile_history, seed_bundled
    from falcon_pipelines.screening.sources import stored_bars
    from falcon_pipelines.screening.track import profile_record, record_document, save_record, settle

    settings = settings_module.load()
    with application_engine(settings) as engine:
        with transaction(engine) as session:
            seed_bundled(session)
            if not profile_history(session, profile):
                raise unknown(profile, [one.name for one in list_profiles(session)])
        bars = stored_bars(settings)
        with transaction(engine) as session:
            if bars.store.sessions("day"):
                settle(session, bars)
            made = profile_record(session, profile)
            save_record(session, made)
    if json:
        print_json(record_document(made))
        return
    for title, part in (
        ("Factor score, all runs", made.factors),
        ("Factor score, runs stored before their outcome", made.forward),
        ("Language model", made.model),
    ):
        _show(f"{profile}: {title}", part)
    for why, count in made.left_out.items():
        out.print(f"{count} runs are not in the model's record: {why}", markup=False, soft_wrap=True)
    if made.waiting:
        out.print(
            f"{made.waiting} runs wait for their horizon to close, the next on {made.next_close}",
            markup=False,
        )


def backtest(
    profile: ProfileName,
    start: Day = None,
    end: Day = None,
    every: Annotated[int, typer.Option(help="Screen each n-th session.", min=1, max=252)] = 1,
    at: At = "evening",
    bars: Bars = None,
    minutes: Minutes = None,
    reference: ReferenceCsv = None,
    seed: Seed = 20240102,
    json: Json = False,
) -> None:
    """Replay a profile's rules over history, each session on what was known then; no language model takes part."""
    from falcon_pipelines.screening.replay import replay
    from falcon_pipelines.screening.track import part_document, scored_line

    chosen = load_named(profile).profile
    with status("replaying", quiet=json):
        made = replay(
            chosen,
            bar_source(bars, minutes),
            reference_source(reference),
            start.date() if start else None,
            end.date() if end else None,
            every=every,
            slot=slot_named(at),
            seed=seed,
        )
    if json:
        print_json(
            {
                "profile": chosen.name,
                "start": made.first,
                "end": made.last,
                "version": made.version,
                "synthetic": made.synthetic,
                "horizon_sessions": chosen.horizon_sessions,
                "benchmark": chosen.benchmark,
                "judged_by": "factor score, not AI",
                "open": made.open,
                "skipped": made.skipped,
                **part_document(made.record),
                "scored": [scored_line(run) for run in made.runs],
            }
        )
        return
    note = " — SYNTHETIC bars" if made.synthetic else ""
    _show(f"{chosen.title}, {made.first} to {made.last}{note}", made.record)
    for reason, count in made.skipped.items():
        out.print(f"{count} sessions skipped: {reason}", markup=False, soft_wrap=True)


@proposals_app.command("make")
def propose(
    profile: Annotated[str, typer.Argument(help="Name of a stored profile.", show_default=False)],
    json: Json = False,
) -> None:
    """Propose weights that the record supports, shrunk towards the present ones. Nothing changes by it."""
    from falcon_pipelines.screening import proposals

    with _stored() as session:
        document = proposals.proposal_document(proposals.propose(session, profile))
    if json:
        print_json(document)
        return
    table = Table(
        "Factor", title=f"Proposal {document['id']} for {profile} version {document['base_version']}"
    )
    for heading in ("Now", "Proposed"):
        table.add_column(heading, justify="right")
    for name, weight in document["current"].items():
        table.add_row(name, f"{weight:.4f}", f"{document['proposed'][name]:.4f}")
    out.print(table)
    out.print(f"falcon screen weights approve {document['id']} makes it a new version", markup=False)


@proposals_app.command("approve")
def approve(proposal: ProposalId, json: Json = False) -> None:
    """Make the proposed weights a new version of the profile."""
    _decide(proposal, "approve", json=json)


@proposals_app.command("reject")
def reject(proposal: ProposalId, json: Json = False) -> None:
    """Leave the weights as they are."""
    _decide(proposal, "reject", json=json)


@proposals_app.command("revert")
def revert(proposal: ProposalId, json: Json = False) -> None:
    """Go back to the version from before an approved proposal, as a new version."""
    _decide(proposal, "revert", json=json)


def _decide(proposal: int, decision: Literal["approve", "reject", "revert"], *, json: bool) -> None:
    from falcon_pipelines.db.models import ScreenProposal
    from falcon_pipelines.screening import proposals

    with _stored() as session:
        made = proposals.decide(session, proposal, decision, getpass.getuser())
        document = proposals.proposal_document(session.get_one(ScreenProposal, proposal))
    if json:
        print_json(document)
        return
    version = f"; {made.name} is now at version {made.version}" if made else ""
    out.print(f"proposal {proposal} {document['state']}{version}", markup=False)


def _stored() -> Any:
    from falcon_pipelines.commands.screen_profiles import stored_session

    return stored_session()


def _show(title: str, part: "Record") -> None:
    table = Table(title=title, caption=part.verdict)
    for heading in ("Measure", "Value", "95 %", "n", "Against", "State"):
        table.add_column(heading, justify="left" if heading in ("Measure", "State") else "right")
    for measure in part.measures:
        value = "—" if measure.value is None else f"{measure.value:.4f}"
        reach = (
            "—" if measure.low is None or measure.high is None else f"{measure.low:.4f} to {measure.high:.4f}"
        )
        against = "—" if measure.compared_with is None else f"{measure.compared_with:.4f}"
        table.add_row(measure.name.replace("_", " "), value, reach, str(measure.n), against, measure.state)
    out.print(table)


def register(app: typer.Typer) -> None:
    """Put these commands under `falcon screen`."""
    app.command("record")(record)
    app.command("backtest")(backtest)
    app.add_typer(proposals_app, name="weights")
