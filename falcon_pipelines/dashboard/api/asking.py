"""Asking through the API: the same requests, commands and decisions the forms make, asked once for each key."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import HTTPException, Path, Query, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

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
from falcon_pipelines.dashboard.asking.submit import Insert, Table, ask_once, ask_request
from falcon_pipelines.dashboard.asking.trading import Refused, check_command
from falcon_pipelines.dashboard.queries import asked
from falcon_pipelines.dashboard.queries.asked import Asked, RequestRow
from falcon_pipelines.dashboard.values import Page, Problem, Value
from falcon_pipelines.db.commands import InvalidCommand, request_command
from falcon_pipelines.db.decisions import Choice, request_decision
from falcon_pipelines.db.models import StrategySpec
from falcon_pipelines.db.requests import (
    DecideProposal,
    DeleteProfile,
    LayOverlay,
    RestoreProfile,
    RunScreen,
    SaveProfile,
    StudyVideo,
    Text,
    UnwatchFeed,
    WatchFeed,
)

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 403, 408, 413, 415, 503)
}

router = api_router("asking")

Key = Annotated[
    str | None,
    Field(pattern=KEY_PATTERN, description="the same key asks once; default: every call asks anew"),
]


class _Body(Value):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AskStudyVideo(_Body):
    """Fetch a video and judge what it says."""

    kind: Literal["study_video"]
    payload: StudyVideo
    key: Key = None


class AskWatchFeed(_Body):
    """Look at a channel for new videos from now on."""

    kind: Literal["watch_feed"]
    payload: WatchFeed
    key: Key = None


class AskUnwatchFeed(_Body):
    """Stop looking at a channel."""

    kind: Literal["unwatch_feed"]
    payload: UnwatchFeed
    key: Key = None


class AskLayOverlay(_Body):
    """Run a strategy with something assumed that its source does not say."""

    kind: Literal["lay_overlay"]
    payload: LayOverlay
    key: Key = None


class AskSaveProfile(_Body):
    """Store a screening profile."""

    kind: Literal["save_profile"]
    payload: SaveProfile
    key: Key = None


class AskDeleteProfile(_Body):
    """Take a screening profile out of use."""

    kind: Literal["delete_profile"]
    payload: DeleteProfile
    key: Key = None


class AskRestoreProfile(_Body):
    """Make an earlier version of a profile the newest again."""

    kind: Literal["restore_profile"]
    payload: RestoreProfile
    key: Key = None


class AskDecideProposal(_Body):
    """Approve or reject proposed weights of a profile, or go back from approved ones."""

    kind: Literal["decide_proposal"]
    payload: DecideProposal
    key: Key = None


class AskRunScreen(_Body):
    """Run a screening profile now."""

    kind: Literal["run_screen"]
    payload: RunScreen
    key: Key = None


AnyRequest = Annotated[
    AskStudyVideo
    | AskWatchFeed
    | AskUnwatchFeed
    | AskLayOverlay
    | AskSaveProfile
    | AskDeleteProfile
    | AskRestoreProfile
    | AskDecideProposal
    | AskRunScreen,
    Field(discriminator="kind"),
]


class AskCommand(_Body):
    """What an account is told to do."""

    command: Literal["pause", "resume", "close", "flatten", "cancel", "edit_stop", "acknowledge"]
    target: Annotated[
        Text | None, Field(max_length=200, description="ticker to close, or order to cancel or edit")
    ] = None
    stop: Annotated[
        Decimal | None,
        Field(gt=0, lt=10_000_000, max_digits=20, decimal_places=6, description="US dollars per share"),
    ] = None
    confirm: Annotated[
        str | None, Field(max_length=500, description="for flatten: the account's name, typed out")
    ] = None
    key: Key = None


class AskDecision(_Body):
    """A person's word on a strategy."""

    choice: Choice
    key: Key = None


@router.get("/requests")
async def get_requests(
    request: Request,
    kind: Annotated[
        list[Annotated[str, Field(pattern="^[a-z_]{1,40}$")]] | None,
        Query(max_length=20, description="any of these"),
    ] = None,
    waiting: Annotated[
        bool | None, Query(description="only those without an answer, or only those with one")
    ] = None,
    limit: Limit = 50,
    before: Before = None,
) -> Page[RequestRow]:
    """What was asked for and what came of it, newest first."""
    return await read(
        request,
        lambda session: asked.requests(session, kinds=kind, waiting=waiting, before=before, limit=limit),
    )


@router.get("/requests/{request_id}", responses=MAY_BE_MISSING)
async def get_request(request: Request, request_id: Id) -> RequestRow:
    """One request."""
    return await read_one(
        request, lambda session: asked.request(session, request_id), f"request {request_id}"
    )


@router.get("/asked/{key}", responses=MAY_BE_MISSING)
async def get_asked(
    request: Request,
    key: Annotated[
        str,
        Path(
            pattern=r"^[rcd]-[A-Za-z0-9_-]{16,64}$",
            description="r- for a request, c- for a command, d- for a decision; then the key that was sent",
        ),
    ],
) -> Asked:
    """What was asked for with a key, in words, and what has come of it."""
    return await read_one(request, lambda session: asked.asked(session, key), "such key")


@router.post("/requests", status_code=201, responses=_REFUSALS | {200: {"model": RequestRow}})
async def post_request(request: Request, response: Response, body: AnyRequest) -> RequestRow:
    """Ask for something; 201 when it is new, 200 when this key has asked before."""
    return await ask_request(request, response, body.kind, body.payload.model_dump(mode="json"), body.key)


@router.post(
    "/accounts/{account_id}/commands",
    status_code=201,
    responses=_REFUSALS | {200: {"model": Asked}, 404: {"model": Problem}, 409: {"model": Problem}},
)
async def post_command(request: Request, response: Response, account_id: Id, body: AskCommand) -> Asked:
    """Tell an account what to do; its trader acts on the next bar."""

    def insert(session: Session, by: str, key: str) -> bool:
        check_command(session, account_id, body.command, body.target, body.confirm)
        return request_command(
            session, account_id, body.command, by, target=body.target, stop=body.stop, key=key
        )

    try:
        return await _insert(request, response, "c", body.key, f"{body.command} account {account_id}", insert)
    except InvalidCommand as error:
        raise HTTPException(400, str(error)) from None
    except Refused as error:
        raise HTTPException(error.status, str(error)) from None


@router.post(
    "/strategies/{spec_id}/decisions",
    status_code=201,
    responses=_REFUSALS | {200: {"model": Asked}, 404: {"model": Problem}},
)
async def post_decision(request: Request, response: Response, spec_id: Id, body: AskDecision) -> Asked:
    """Approve a strategy for paper, or retire it."""

    def insert(session: Session, by: str, key: str) -> bool:
        if session.get(StrategySpec, spec_id) is None:
            raise Refused(f"there is no strategy {spec_id}", status=404)
        return request_decision(session, spec_id, body.choice, by, key=key)

    try:
        return await _insert(request, response, "d", body.key, f"{body.choice} strategy {spec_id}", insert)
    except Refused as error:
        raise HTTPException(error.status, str(error)) from None


async def _insert(
    request: Request, response: Response, table: Table, key: str | None, about: str, insert: Insert
) -> Asked:
    new, _, found = await ask_once(request, table, key, about, insert)
    response.status_code = 201 if new else 200
    return found
