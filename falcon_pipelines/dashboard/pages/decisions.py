"""Approving a strategy for paper, and retiring it: one page with what it rests on, one form."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Path, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.asking.forms import Form, form_key
from falcon_pipelines.dashboard.asking.submit import submit
from falcon_pipelines.dashboard.pages.page import Id, page_router, present, read
from falcon_pipelines.dashboard.queries.decisions import Subject, subject
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.db.decisions import Choice, request_decision

router = page_router()

Chosen = Annotated[Choice, Path()]


@router.get("/strategies/{spec_id}/{choice}")
async def confirm(request: Request, spec_id: Id, choice: Chosen) -> Response:
    """The question."""
    view = await _subject(request, spec_id)
    return render(request, "decision.html", view=view, choice=choice, form=Form())


@router.post("/strategies/{spec_id}/{choice}")
async def decide(request: Request, spec_id: Id, choice: Chosen) -> Response:
    """The answer."""
    sent: Mapping[str, str] = request.state.form
    view = await _subject(request, spec_id)

    def insert(session: Session, by: str, key: str) -> bool:
        return request_decision(session, spec_id, choice, by, key=key)

    about = f"{choice} strategy {view.name}"
    return await submit(request, "d", form_key(sent), f"/strategies/{spec_id}", insert, about)


async def _subject(request: Request, spec_id: int) -> Subject:
    found, _ = await read(request, lambda session: subject(session, spec_id))
    return present(found, f"strategy {spec_id}")
