"""Screening over the API: profiles and their records, runs, candidates, the bars that charts draw."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import HTTPException, Path, Query, Request, Response
from pydantic import ConfigDict, Field

from falcon_pipelines.dashboard.api.parameters import (
    MAY_BE_MISSING,
    Before,
    Id,
    Limit,
    api_router,
    read,
    read_one,
)
from falcon_pipelines.dashboard.asking.forms import KEY_PATTERN
from falcon_pipelines.dashboard.asking.profiles import name_of, profile_document
from falcon_pipelines.dashboard.asking.submit import ask_request
from falcon_pipelines.dashboard.queries.asked import RequestRow
from falcon_pipelines.dashboard.queries.charts import Chart, chart
from falcon_pipelines.dashboard.queries.picks import Pick, pick
from falcon_pipelines.dashboard.queries.profiles import (
    ProfileDetail,
    ProfileRow,
    ProfileVersion,
    Proposal,
    profile,
    profile_version,
    profiles,
    proposal,
    proposals,
)
from falcon_pipelines.dashboard.queries.records import Record, record
from falcon_pipelines.dashboard.queries.screening import (
    Screen,
    ScreenRow,
    newest_screens,
    screen,
    screen_runs,
)
from falcon_pipelines.dashboard.values import Page, Problem, Value
from falcon_pipelines.db.requests import Text

router = api_router("screening")

_ASKED: dict[int | str, dict[str, Any]] = {
    200: {"model": RequestRow},
    **{status: {"model": Problem} for status in (400, 403, 404, 413, 415)},
}

Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="default: the newest")]
Ticker = Annotated[str, Path(pattern=r"^[A-Za-z0-9.\-/ ]{1,40}$")]
Key = Annotated[
    str | None,
    Field(pattern=KEY_PATTERN, description="the same key asks once; default: every call asks anew"),
]


class ProfileText(Value):
    """A profile as YAML."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document: Annotated[Text, Field(min_length=1, max_length=100_000)]
    key: Key = None


class RunAsked(Value):
    """Which session to screen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session: Annotated[date | None, Field(description="default: the newest session with bars")] = None
    slot: Literal["morning", "midday", "evening"] = "evening"
    key: Key = None


@router.get("/profiles")
async def get_profiles(request: Request, deleted: bool = False) -> list[ProfileRow]:
    """Every profile in its newest version, with its newest run and record."""
    return await read(request, lambda session: profiles(session, deleted=deleted))


@router.post("/profiles", status_code=201, responses=_ASKED)
async def create_profile(request: Request, response: Response, body: ProfileText) -> RequestRow:
    """Ask to store a new profile, or one from a file. 400 names the line that is wrong."""
    document = _checked(body.document)
    return await ask_request(request, response, "save_profile", {"document": document}, body.key)


@router.get("/profiles/{name}", responses=MAY_BE_MISSING)
async def get_profile(request: Request, name: Name) -> ProfileDetail:
    """A profile with its versions and its record."""
    return await read_one(request, lambda session: profile(session, name), f"profile {name}")


@router.put("/profiles/{name}", status_code=201, responses=_ASKED)
async def update_profile(request: Request, response: Response, name: Name, body: ProfileText) -> RequestRow:
    """Ask to store the profile as a new version. 400 names the line that is wrong."""
    document = _checked(body.document)
    if name_of(document) != name:
        raise HTTPException(400, f"the document's name is {name_of(document)}, not {name}")
    await _require(request, name)
    return await ask_request(request, response, "save_profile", {"document": document}, body.key)


@router.delete("/profiles/{name}", status_code=201, responses=_ASKED)
async def delete_profile(
    request: Request,
    response: Response,
    name: Name,
    key: Annotated[str | None, Query(pattern=KEY_PATTERN)] = None,
) -> RequestRow:
    """Ask to take the profile out of use; its versions, runs and record stay."""
    await _require(request, name)
    return await ask_request(request, response, "delete_profile", {"name": name}, key)


@router.post("/profiles/{name}/runs", status_code=201, responses=_ASKED)
async def run_profile(request: Request, response: Response, name: Name, body: RunAsked) -> RequestRow:
    """Ask to run the profile now."""
    await _require(request, name)
    payload = {"profile": name, "session": body.session, "slot": body.slot}
    return await ask_request(request, response, "run_screen", payload, body.key)


@router.get("/profiles/{name}/versions/{version}", responses=MAY_BE_MISSING)
async def get_version(request: Request, name: Name, version: Id) -> ProfileVersion:
    """One version of a profile."""
    what = f"profile {name} of version {version}"
    return await read_one(request, lambda session: profile_version(session, name, version), what)


@router.get(
    "/profiles/{name}/export",
    responses={
        404: {"model": Problem},
        200: {"content": {"application/yaml": {"schema": {"type": "string"}}}},
    },
    response_class=Response,
)
async def export_profile(request: Request, name: Name, version: Version = None) -> Response:
    """The profile as a YAML file."""
    what = f"profile {name} of this version"
    found = await read_one(request, lambda session: profile_version(session, name, version), what)
    return Response(found.document, media_type="application/yaml")


@router.get("/profiles/{name}/record", responses=MAY_BE_MISSING)
async def get_record(request: Request, name: Name) -> Record:
    """What came of the profile's picks so far, with n and intervals."""
    return await read_one(request, lambda session: record(session, name), f"record of {name}")


@router.get("/profiles/{name}/proposals")
async def get_proposals(request: Request, name: Name) -> list[Proposal]:
    """Other weights that the record suggests, newest first; `decide_proposal` of /requests answers them."""
    return await read(request, lambda session: proposals(session, name))


@router.get("/proposals/{proposal_id}", responses=MAY_BE_MISSING)
async def get_proposal(request: Request, proposal_id: Id) -> Proposal:
    """One proposal of other weights."""
    return await read_one(request, lambda session: proposal(session, proposal_id), f"proposal {proposal_id}")


@router.get("/candidates")
async def get_candidates(request: Request) -> list[Screen]:
    """The candidates of the newest screened session, by profile."""
    return await read(request, newest_screens)


@router.get("/screens")
async def get_screens(
    request: Request,
    profile: Annotated[str | None, Query(max_length=200, pattern="^[^\\x00]*$")] = None,
    limit: Limit = 50,
    before: Before = None,
) -> Page[ScreenRow]:
    """Screening runs, newest first."""
    return await read(
        request, lambda session: screen_runs(session, profile=profile, before=before, limit=limit)
    )


@router.get("/screens/{run_id}", responses=MAY_BE_MISSING)
async def get_screen(request: Request, run_id: Id) -> Screen:
    """One run with its candidates."""
    return await read_one(request, lambda session: screen(session, run_id), f"screen run {run_id}")


@router.get("/screens/{run_id}/picks/{ticker}", responses=MAY_BE_MISSING)
async def get_pick(request: Request, run_id: Id, ticker: Ticker) -> Pick:
    """One candidate in full, with everything else that picked it."""
    what = f"candidate {ticker} in run {run_id}"
    return await read_one(request, lambda session: pick(session, run_id, ticker), what)


@router.get("/charts/{ticker:path}", responses=MAY_BE_MISSING)
async def get_chart(request: Request, ticker: Ticker) -> Chart:
    """The newest day bars of a ticker that was picked lately or is held."""
    return await read_one(request, lambda session: chart(session, ticker), f"chart of {ticker}")


def _checked(document: str) -> str:
    try:
        return profile_document(document)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None


async def _require(request: Request, name: str) -> None:
    await read_one(request, lambda session: profile_version(session, name, None), f"profile {name}")
