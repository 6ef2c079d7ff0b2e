"""What all pages share: reading in one transaction, the synthetic label, what was asked, and what is not there."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, HTTPException, Path, Query, Request
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.asked import Asked, asked
from falcon_pipelines.dashboard.queries.market_data import any_synthetic

Result = TypeVar("Result")
Found = TypeVar("Found")

LARGEST_ID = 2**31 - 1
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
OptionalId = Annotated[int | None, Query(ge=1, le=LARGEST_ID)]
OptionalText = Annotated[str | None, Query(max_length=200)]
Cursor = Annotated[str | None, Query(max_length=500)]


def page_router() -> APIRouter:
    """A router whose routes are pages, not part of the API."""
    return APIRouter(include_in_schema=False)


async def read(request: Request, query: Callable[[Session], Result]) -> tuple[Result, bool]:
    """What `query` finds, and whether any bar is synthetic; see `read_labelled`."""
    return await read_labelled(request, lambda session: (query(session), any_synthetic(session)))


async def read_labelled(request: Request, query: Callable[[Session], Result]) -> Result:
    """What `query` finds, which itself tells whether it is synthetic.

    With `?asked=KEY` in the address, what was asked for with that key is kept for the page's first lines.
    """
    key = given(request.query_params.get("asked"))

    def everything(session: Session) -> tuple[Result, Asked | None]:
        return query(session), asked(session, key) if key else None

    found: tuple[Result, Asked | None] = await request.app.state.database.read(everything)
    request.state.shown_asked = found[1]
    return found[0]


def present(found: Found | None, what: str) -> Found:
    """`found`, or the page that says there is no such thing."""
    if found is None:
        raise HTTPException(404, f"There is no {what}.")
    return found


def given(value: str | None) -> str | None:
    """A text field of a form; empty means it was left out, and NUL is not text for PostgreSQL."""
    return (value or "").replace("\0", "").strip() or None
