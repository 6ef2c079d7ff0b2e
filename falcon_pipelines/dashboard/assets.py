"""Static files: our own and Plotly's script, each under an address that changes with its content."""

import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, HTTPException
from starlette.responses import FileResponse

from falcon_pipelines.errors import FalconError

_OWN = Path(__file__).parent / "static"
PLOTLY = "plotly.min.js"

router = APIRouter(include_in_schema=False)


class PlotlyMissing(FalconError):
    """The plotly package or its script is not installed."""


@cache
def _files() -> dict[str, Path]:
    own = {path.name: path for path in _OWN.iterdir() if path.is_file()}
    return own | {PLOTLY: _plotly_script()}


def _plotly_script() -> Path:
    """The script inside the installed package, found without importing it."""
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        script = Path(folder) / "package_data" / PLOTLY
        if script.is_file():
            return script
    raise PlotlyMissing("the plotly package is not installed; run `make` again")


@cache
def asset_url(name: str) -> str:
    """Address of a static file; a new content has a new address, so browsers keep each for good."""
    with _files()[name].open("rb") as file:
        return f"/static/{hashlib.file_digest(file, 'sha256').hexdigest()[:12]}/{name}"


@cache
def plotly_style_ids() -> tuple[str, ...]:
    """Ids of the <style> elements Plotly's script adds as it loads, unless one with that id is there.

    They style maps, which Falcon does not draw, and the Content-Security-Policy forbids them.
    """
    script = _files()[PLOTLY].read_bytes()
    return tuple(found.decode() for found in re.findall(rb'getElementById\("([0-9a-f]{64})"\)', script))


@router.get("/static/{digest}/{name}")
async def static_file(digest: str, name: str) -> FileResponse:
    """One static file."""
    path = _files().get(name)
    if path is None:
        raise HTTPException(404, "there is no such file")
    current = asset_url(name).split("/")[2] == digest
    keep = "public, max-age=31536000, immutable" if current else "no-cache"
    return FileResponse(path, headers={"Cache-Control": keep})


@router.get("/favicon.ico")
async def favicon() -> FileResponse:
    """The icon, for browsers that ask before reading the page."""
    return await static_file("", "falcon.svg")
