"""Templates to responses. Everything is escaped; a forgotten variable is an error, not a blank."""

from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from falcon_pipelines.dashboard import cells
from falcon_pipelines.dashboard.access.sessions import Identity, Sessions
from falcon_pipelines.dashboard.assets import asset_url, plotly_style_ids
from falcon_pipelines.dashboard.formatting import add_filters


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    add_filters(environment)
    environment.globals.update(cells=cells, asset=asset_url, plotly_style_ids=plotly_style_ids)
    return environment


_ENVIRONMENT = _environment()


def _form_token(request: Request, identity: Identity | None) -> str:
    """What a form on this page sends to show that it came from this session."""
    bound_to = identity.session if identity is not None else getattr(request.state, "visit", "")
    sessions: Sessions = request.app.state.doorkeeper.sessions
    return sessions.token(bound_to) if bound_to else ""


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """The page a template makes of `values`."""
    identity = getattr(request.state, "identity", None)
    content = _ENVIRONMENT.get_template(template).render(
        path=request.url.path,
        identity=identity,
        form_token=_form_token(request, identity),
        asked=getattr(request.state, "shown_asked", None),
        **values,
    )
    return HTMLResponse(content, status_code=status)
