"""Screening profiles: reading one, editing it as YAML, importing, exporting, deleting, running it now."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import Path, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.asking.fields import session_or_newest, slot
from falcon_pipelines.dashboard.asking.forms import Form, InvalidForm, form_key, read_form, refused
from falcon_pipelines.dashboard.asking.profiles import name_of, profile_document
from falcon_pipelines.dashboard.asking.submit import submit
from falcon_pipelines.dashboard.pages.page import LARGEST_ID, Id, OptionalId, page_router, present, read
from falcon_pipelines.dashboard.queries.profiles import (
    ProfileDetail,
    ProfileVersion,
    profile,
    profile_version,
    proposal,
)
from falcon_pipelines.dashboard.queries.screening import ScreenRow, screen_runs
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.values import Page
from falcon_pipelines.db.requests import ask

router = page_router()

Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Version = Annotated[int, Query(ge=1, le=LARGEST_ID)]
Deed = Annotated[Literal["delete", "run"], Path()]
Decision = Annotated[Literal["approve", "reject", "revert"], Path()]

STARTING_POINT = """\
name: my_profile
title: My profile
theme: What these stocks have in common, in a sentence.
filters:
  - {name: price, at_least: 5, unit: usd}
  - {name: dollar_volume_20, at_least: 1, unit: million_usd}
factors:
  - {name: return_126, direction: higher, weight: 1.0}
schedule: [evening]
top_k: 10
horizon_sessions: 20
"""


@router.get("/screens/profiles/new")
async def new_profile(request: Request) -> Response:
    """An empty editor, with something to start from."""
    await read(request, lambda session: None)
    return _editor(request, None, Form(values={"document": STARTING_POINT}))


@router.post("/screens/profiles/new")
async def import_profile(request: Request) -> Response:
    """Store a new profile."""
    return await _save(request, None)


@router.get("/screens/profiles/{name}.yaml")
async def export_profile(request: Request, name: Name, version: OptionalId = None) -> Response:
    """The profile as a file."""
    found, _ = await read(request, lambda session: profile_version(session, name, version))
    document = present(found, f"profile {name} of this version").document
    headers = {"Content-Disposition": f'attachment; filename="{name}.yaml"'}
    return Response(document, media_type="application/yaml; charset=utf-8", headers=headers)


@router.get("/screens/profiles/{name}")
async def one_profile(request: Request, name: Name) -> Response:
    """A profile with its record, its runs and its versions."""

    def query(session: Session) -> tuple[ProfileDetail | None, Page[ScreenRow]]:
        return profile(session, name), screen_runs(session, profile=name, limit=20)

    (found, runs), synthetic = await read(request, query)
    view = present(found, f"profile {name}")
    return render(request, "profile.html", view=view, runs=runs, synthetic=synthetic)


@router.get("/screens/profiles/{name}/edit")
async def edit_profile(request: Request, name: Name, version: OptionalId = None) -> Response:
    """The editor with the newest version, or with an earlier one to go back to."""
    found, _ = await read(request, lambda session: profile_version(session, name, version))
    current = present(found, f"profile {name} of this version")
    return _editor(request, current, Form(values={"document": current.document}))


@router.post("/screens/profiles/{name}/edit")
async def save_profile(request: Request, name: Name) -> Response:
    """Store it as a new version."""
    found, _ = await read(request, lambda session: profile_version(session, name, None))
    return await _save(request, present(found, f"profile {name}"))


@router.get("/screens/profiles/{name}/restore")
async def confirm_restore(request: Request, name: Name, version: Version) -> Response:
    """The question before an earlier version becomes the newest again."""
    return await _earlier(request, name, version)


@router.get("/screens/profiles/{name}/{deed}")
async def confirm(request: Request, name: Name, deed: Deed) -> Response:
    """The question before it is deleted or run."""
    found, _ = await read(request, lambda session: profile_version(session, name, None))
    return _question(request, present(found, f"profile {name}"), deed, Form())


@router.post("/screens/profiles/{name}/delete")
async def delete_profile(request: Request, name: Name) -> Response:
    """Take it out of use."""
    sent: Mapping[str, str] = request.state.form
    return await submit(
        request,
        "r",
        form_key(sent),
        f"/screens/profiles/{name}",
        lambda session, by, key: ask(session, "delete_profile", {"name": name}, by, key=key),
        f"delete profile {name}",
    )


@router.post("/screens/profiles/{name}/run")
async def run_profile(request: Request, name: Name) -> Response:
    """Run it now."""
    sent: Mapping[str, str] = request.state.form
    try:
        asked_for = read_form(sent, {"session": session_or_newest, "slot": slot})
    except InvalidForm as invalid:
        found, _ = await read(request, lambda session: profile_version(session, name, None))
        return _question(request, present(found, f"profile {name}"), "run", invalid.form)
    payload = {"profile": name, **asked_for}
    return await submit(
        request,
        "r",
        form_key(sent),
        f"/screens/profiles/{name}",
        lambda session, by, key: ask(session, "run_screen", payload, by, key=key),
        f"run profile {name}",
    )


@router.post("/screens/profiles/{name}/restore")
async def restore_profile(request: Request, name: Name) -> Response:
    """Bring it back."""
    sent: Mapping[str, str] = request.state.form
    version = sent.get("version", "")
    number = int(version) if re.fullmatch(r"[1-9][0-9]{0,8}", version) else 0
    found, _ = await read(request, lambda session: profile_version(session, name, number))
    present(found, f"profile {name} of this version")
    return await submit(
        request,
        "r",
        form_key(sent),
        f"/screens/profiles/{name}",
        lambda session, by, key: ask(
            session, "restore_profile", {"name": name, "version": number}, by, key=key
        ),
        f"bring back version {number} of profile {name}",
    )


@router.get("/screens/proposals/{proposal_id}/{decision}")
async def confirm_decision(request: Request, proposal_id: Id, decision: Decision) -> Response:
    """The question before proposed weights are taken, turned down, or taken back."""
    found, _ = await read(request, lambda session: proposal(session, proposal_id))
    view = present(found, f"proposal {proposal_id}")
    return render(request, "proposal.html", view=view, decision=decision, form=Form())


@router.post("/screens/proposals/{proposal_id}/{decision}")
async def decide(request: Request, proposal_id: Id, decision: Decision) -> Response:
    """Decide."""
    sent: Mapping[str, str] = request.state.form
    found, _ = await read(request, lambda session: proposal(session, proposal_id))
    view = present(found, f"proposal {proposal_id}")
    payload = {"proposal": proposal_id, "decision": decision}
    return await submit(
        request,
        "r",
        form_key(sent),
        f"/screens/profiles/{view.profile}",
        lambda session, by, key: ask(session, "decide_proposal", payload, by, key=key),
        f"{decision} proposal {proposal_id}",
    )


async def _earlier(request: Request, name: str, version: int) -> Response:
    found, _ = await read(request, lambda session: profile_version(session, name, version))
    current = present(found, f"profile {name} of this version")
    return _question(request, current, "restore", Form())


async def _save(request: Request, current: ProfileVersion | None) -> Response:
    sent: Mapping[str, str] = request.state.form
    try:
        document = read_form(sent, {"document": profile_document})["document"]
        name = name_of(document)
        if current is not None and name != current.name:
            problem = f"The name is {name} here; keep it {current.name}, or import it as a new profile"
            raise refused(sent, {"document": problem})
    except InvalidForm as invalid:
        return _editor(request, current, invalid.form)
    return await submit(
        request,
        "r",
        form_key(sent),
        "/screens" if current is None else f"/screens/profiles/{name}",
        lambda session, by, key: ask(session, "save_profile", {"document": document}, by, key=key),
        f"save profile {name}",
    )


def _editor(request: Request, current: ProfileVersion | None, form: Form) -> Response:
    status = 422 if form.problems else 200
    return render(request, "profile_editor.html", status=status, current=current, form=form)


def _question(request: Request, current: ProfileVersion, deed: str, form: Form) -> Response:
    status = 422 if form.problems else 200
    return render(request, "profile_question.html", status=status, current=current, deed=deed, form=form)
