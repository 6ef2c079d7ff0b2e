"""What is answered when something fails: a page that says what to do, or the same as JSON."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from falcon_pipelines.dashboard.changes import TooManyWatchers
from falcon_pipelines.dashboard.cursors import InvalidCursor
from falcon_pipelines.dashboard.database import DatabaseBehind
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.db.engine import DatabaseUnavailable
from falcon_pipelines.errors import InputError
from falcon_pipelines.watching.remembered import standing_outages

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


def add_failure_handlers(app: FastAPI) -> None:
    """Let every failure of a route end in one of these answers."""
    app.add_exception_handler(DatabaseUnavailable, database_down)
    app.add_exception_handler(DatabaseBehind, database_down)
    app.add_exception_handler(TooManyWatchers, _busy)
    app.add_exception_handler(InvalidCursor, _bad_request)
    app.add_exception_handler(InputError, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(Exception, _failure)


def refusal(request: Request, message: str, *, status: int, heading: str) -> Response:
    """Why a request was not let through."""
    if _wants_json(request):
        return JSONResponse({"detail": message}, status_code=status)
    return render(request, "error.html", status=status, heading=heading, message=message)


async def database_down(request: Request, error: Exception) -> Response:
    """The database is away, or has another schema; pages come back by themselves."""
    log.warning("%s: %s", request.url.path, error)
    behind = isinstance(error, DatabaseBehind)
    detail = (
        "the database has another schema than this program expects"
        if behind
        else "the database does not answer"
    )
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if _wants_json(request):
        return JSONResponse({"detail": detail}, status_code=503, headers=headers)
    response = render(
        request,
        "unavailable.html",
        status=503,
        behind=behind,
        retry_seconds=RETRY_AFTER_SECONDS,
        outages=standing_outages(surroundings().outages_file),
    )
    response.headers.update(headers)
    return response


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith("/api/")


async def _busy(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=503)


async def _bad_request(request: Request, error: Exception) -> Response:
    return refusal(request, str(error), status=400, heading="That is not right")


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if _wants_json(request):
        return await http_exception_handler(request, error)
    heading = "Page not found" if error.status_code == 404 else "That did not work"
    message = "There is nothing at this address." if error.detail == "Not Found" else str(error.detail)
    response = render(request, "error.html", status=error.status_code, heading=heading, message=message)
    response.headers.update(error.headers or {})
    return response


async def _invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    if _wants_json(request):
        return JSONResponse({"detail": [_told(problem) for problem in error.errors()]}, status_code=422)
    first = error.errors()[0]
    where = first["loc"][-1] if first["loc"] else "the address"
    return render(
        request,
        "error.html",
        status=400,
        heading="That address is not right",
        message=f"{where}: {first['msg']}.",
    )


def _told(problem: Any) -> dict[str, Any]:
    """Where and what is wrong. What was sent is not sent back: it may be a password, or no JSON."""
    where = [part if isinstance(part, int) else _plain(str(part)) for part in problem["loc"]]
    return {"loc": where, "msg": _plain(str(problem["msg"])), "type": problem["type"]}


def _plain(words: str) -> str:
    return words.encode("utf-8", "replace").decode()


async def _failure(request: Request, error: Exception) -> Response:
    log.error("%s failed", request.url.path, exc_info=error)
    if _wants_json(request):
        return JSONResponse({"detail": "the dashboard failed; its log says why"}, status_code=500)
    return render(
        request,
        "error.html",
        status=500,
        heading="The dashboard failed",
        message="This page could not be made. The log of the dashboard says why.",
    )
