"""What people ask of screening through the `requests` table: profiles are changed at once, screens are to be run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from falcon_pipelines.db.models import Request
from falcon_pipelines.db.requests import (
    DecideProposal,
    DeleteProfile,
    RestoreProfile,
    RunScreen,
    SaveProfile,
    answer,
    parse_payload,
    waiting,
)
from falcon_pipelines.errors import FalconError, InputError
from falcon_pipelines.profiles.store import (
    delete_profile,
    get_profile,
    restore_profile,
    save_profile,
    seed_bundled,
)
from falcon_pipelines.screening.proposals import decide

KINDS = ("save_profile", "delete_profile", "restore_profile", "decide_proposal", "run_screen")


@dataclass(frozen=True)
class AskedScreen:
    """A screen that somebody asked for and that can be run."""

    request: int
    profile: str
    session: date
    slot: str


class CannotRun(InputError):
    """A screen was asked for that cannot be run."""


def act(session: Session, sessions: Sequence[date], first: date) -> tuple[list[AskedScreen], list[str]]:
    """Answer the waiting requests; returns the screens to run, and the answers given.

    `sessions` are those with day bars, `first` the earliest that is screened by request. What cannot be done is
    refused with the reason. A screen's request is answered by its run.
    """
    asked: list[AskedScreen] = []
    told: list[str] = []
    rows = waiting(session, KINDS)
    if rows:
        seed_bundled(session)
    for row in rows:
        try:
            with session.begin_nested():
                done = _do(session, row, sessions, first)
        except FalconError as error:
            answer(session, row.id, "refused", str(error))
            told.append(f"request {row.id} refused: {error}")
            continue
        if isinstance(done, AskedScreen):
            asked.append(done)
        else:
            answer(session, row.id, "done", done)
            told.append(f"request {row.id}: {done}")
    return asked, told


def _do(session: Session, row: Request, sessions: Sequence[date], first: date) -> str | AskedScreen:
    payload, by = parse_payload(row.kind, row.payload), row.requested_by
    match payload:
        case SaveProfile(document=document):
            saved = save_profile(session, document, by)
            return f"{saved.name} is stored as version {saved.version}"
        case DeleteProfile(name=name):
            delete_profile(session, name, by)
            return f"{name} is out of use; its versions, runs and record stay"
        case RestoreProfile(name=name, version=version):
            made = restore_profile(session, name, version, by)
            return f"version {version} of {name} is stored again as version {made.version}"
        case DecideProposal(proposal=proposal, decision=decision):
            changed = decide(session, proposal, decision, by)
            effect = f"; {changed.name} is now at version {changed.version}" if changed else ""
            return f"proposal {proposal}: {decision}{effect}"
        case RunScreen(profile=profile, session=day, slot=slot):
            get_profile(session, profile)
            return AskedScreen(row.id, profile, _session(day, sessions, first), slot)
    raise InputError(f"{row.kind} is not for screening")


def _session(day: date | None, sessions: Sequence[date], first: date) -> date:
    if not sessions:
        raise CannotRun("there are no day bars to screen; run `falcon ingest day` first")
    wanted = day or sessions[-1]
    if wanted < first:
        raise CannotRun(f"{wanted} is before {first}; replay it with `falcon screen backtest`")
    if wanted not in set(sessions):
        raise CannotRun(f"there are no bars of {wanted}; there are those of {sessions[0]} to {sessions[-1]}")
    return wanted
