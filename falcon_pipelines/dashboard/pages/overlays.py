"""Assuming what a video does not say: a strategy with an exit or another value that a person chose."""

from collections.abc import Mapping

from fastapi import Request
from starlette.responses import Response

from falcon_pipelines.dashboard.asking.fields import overlay_choices
from falcon_pipelines.dashboard.asking.forms import Form, InvalidForm, form_key, read_form, refused
from falcon_pipelines.dashboard.asking.submit import submit
from falcon_pipelines.dashboard.pages.page import Id, page_router, present, read
from falcon_pipelines.dashboard.queries.readings import OverlaySubject, overlay_subject
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.db.requests import ask

router = page_router()


@router.get("/strategies/{spec_id}/overlay")
async def choose(request: Request, spec_id: Id) -> Response:
    """What is offered, and room for anything else."""
    return _page(request, await _subject(request, spec_id), Form())


@router.post("/strategies/{spec_id}/overlay")
async def lay_over(request: Request, spec_id: Id) -> Response:
    """Ask for the strategy with these assumptions."""
    view = await _subject(request, spec_id)
    sent: Mapping[str, str] = request.state.form
    try:
        typed = read_form(sent, {"choices": overlay_choices})["choices"]
        offered = [offer.name for number, offer in enumerate(view.offered) if sent.get(f"offer-{number}")]
        if not offered + typed:
            raise refused(sent, {"choices": "Choose one of the exits, or write PLACE=VALUE"})
    except InvalidForm as invalid:
        return _page(request, view, invalid.form)
    payload = {"spec": view.name, "choices": offered + typed}
    return await submit(
        request,
        "r",
        form_key(sent),
        f"/strategies/{spec_id}",
        lambda session, by, key: ask(session, "lay_overlay", payload, by, key=key),
        f"lay an overlay over {view.name}",
    )


async def _subject(request: Request, spec_id: int) -> OverlaySubject:
    found, _ = await read(request, lambda session: overlay_subject(session, spec_id))
    return present(found, f"strategy {spec_id}")


def _page(request: Request, view: OverlaySubject, form: Form) -> Response:
    return render(request, "overlay.html", status=422 if form.problems else 200, view=view, form=form)
