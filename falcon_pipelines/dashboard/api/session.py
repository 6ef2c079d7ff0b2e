"""Logging in to the API: the same session as the pages', as a cookie, with the token that changes need."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import Field
from starlette.responses import Response

from falcon_pipelines.dashboard.access.cookies import forget_session, remember_session
from falcon_pipelines.dashboard.access.doorkeeper import Doorkeeper, LoginThrottled, WrongLogin
from falcon_pipelines.dashboard.access.sessions import Identity
from falcon_pipelines.dashboard.values import Problem, Value
from falcon_pipelines.db.users import LONGEST_PASSWORD, Role

router = APIRouter(prefix="/api/v1", tags=["session"], responses={503: {"model": Problem}})

_NOT_LOGGED_IN: dict[int | str, dict[str, Any]] = {401: {"model": Problem}}


class Credentials(Value):
    """A user of `falcon user add`."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=LONGEST_PASSWORD)]


class SessionState(Value):
    """Who is logged in; changes send `csrf_token` in the header X-CSRF-Token."""

    name: str
    role: Role
    csrf_token: str


@router.post(
    "/session",
    responses={
        401: {"model": Problem},
        403: {"model": Problem},
        413: {"model": Problem},
        415: {"model": Problem},
        429: {"model": Problem},
    },
)
async def log_in(request: Request, response: Response, credentials: Credentials) -> SessionState:
    """Log in; the answer's cookie is the session, for 12 hours."""
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    address = request.client.host if request.client else ""
    try:
        login = await doorkeeper.log_in(credentials.name, credentials.password, address)
    except WrongLogin as error:
        raise HTTPException(401, str(error)) from None
    except LoginThrottled as error:
        raise HTTPException(429, str(error), headers={"Retry-After": str(error.seconds)}) from None
    request.state.identity = login.identity
    remember_session(request, response, login.cookie)
    return _state(doorkeeper, login.identity)


@router.get("/session", responses=_NOT_LOGGED_IN)
async def get_session(request: Request) -> SessionState:
    """Who is logged in, and a token for changes."""
    return _state(request.app.state.doorkeeper, _identity(request))


@router.delete("/session", status_code=204, responses=_NOT_LOGGED_IN | {403: {"model": Problem}})
async def log_out(request: Request) -> Response:
    """End this session."""
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    await doorkeeper.log_out(_identity(request))
    response = Response(status_code=204)
    forget_session(request, response)
    return response


def _identity(request: Request) -> Identity:
    identity: Identity | None = request.state.identity
    if identity is None:
        raise HTTPException(401, "nobody is logged in")
    return identity


def _state(doorkeeper: Doorkeeper, identity: Identity) -> SessionState:
    return SessionState(
        name=identity.name, role=identity.role, csrf_token=doorkeeper.sessions.token(identity.session)
    )
