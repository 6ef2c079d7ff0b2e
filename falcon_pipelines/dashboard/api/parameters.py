"""What the routes of the API share: their parameters, the answers that are not the asked one, and reading."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, HTTPException, Path, Query, Request
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.database import Database
from falcon_pipelines.dashboard.values import Problem

Found = TypeVar("Found")

LARGEST_ID = 2**31 - 1
BAD_CURSOR: dict[int | str, dict[str, Any]] = {400: {"model": Problem}}
MAY_BE_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
AccountId = Annotated[int | None, Query(ge=1, le=LARGEST_ID, description="the first account when left out")]
OfAccount = Annotated[int | None, Query(ge=1, le=LARGEST_ID, description="all accounts when left out")]
OfTicker = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9.\-/ ]{1,20}$")]
Words = Annotated[str | None, Query(max_length=60, pattern="^[^\\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=500)]
After = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]
Before = Annotated[int | None, Query(ge=1, le=LARGEST_ID, description="`next` of the page before")]
Points = Annotated[int | None, Query(ge=2, le=10_000, description="evenly spaced; all when left out")]


def api_router(tag: str) -> APIRouter:
    """A router of the API; its operations stand under `tag` in the document."""
    return APIRouter(
        prefix="/api/v1", tags=[tag], responses={401: {"model": Problem}, 503: {"model": Problem}}
    )


async def read(request: Request, query: Callable[[Session], Found]) -> Found:
    """What `query` finds in one transaction."""
    database: Database = request.app.state.database
    return await database.read(query)


async def read_one(request: Request, query: Callable[[Session], Found | None], what: str) -> Found:
    """What `query` finds; the answer 404 that names `what` when it finds nothing."""
    return present(await read(request, query), what)


def present(found: Found | None, what: str) -> Found:
    """`found`, or the answer 404 that names `what`."""
    if found is None:
        raise HTTPException(404, f"there is no {what}")
    return found
