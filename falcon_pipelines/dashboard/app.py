"""Puts the web application together: routes, headers, and what is answered when something fails."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response

from falcon_pipelines import __version__
from falcon_pipelines.dashboard import api, assets, health, live, pages
from falcon_pipelines.dashboard.changes import ChangeFeed, TooManyWatchers
from falcon_pipelines.dashboard.cursors import InvalidCursor
from falcon_pipelines.dashboard.database import Database, DatabaseBehind
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.security import SecurityHeaders
from falcon_pipelines.db.engine import DatabaseUnavailable

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


def create_app(database_url: str) -> FastAPI:
    """The dashboard over one application database.

    Raises InvalidDatabaseUrl. The database need not be up: pages say so until it is.
    """
    assets.asset_url(assets.PLOTLY)
    database = Database(database_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        listening = asyncio.create_task(app.state.changes.run())
        yield
        listening.cancel()
        app.state.changes.close()
        database.close()

    app = FastAPI(
        title="Falcon dashboard",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.database = database
    app.state.changes = ChangeFeed(database_url)
    app.include_router(health.router)
    app.include_router(api.router)
    app.include_router(assets.router)
    app.include_router(live.router)
    for page in pages.ROUTERS:
        app.include_router(page)
    app.add_exception_handler(DatabaseUnavailable, _database_down)
    app.add_exception_handler(DatabaseBehind, _database_down)
    app.add_exception_handler(TooManyWatchers, _busy)
    app.add_exception_handler(InvalidCursor, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(Exception, _failure)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(SecurityHeaders)
    return app


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith("/api/")


async def _database_down(request: Request, error: Exception) -> Response:
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
        request, "unavailable.html", status=503, behind=behind, retry_seconds=RETRY_AFTER_SECONDS
    )
    response.headers.update(headers)
    return response


async def _busy(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=503)


async def _bad_request(request: Request, error: Exception) -> Response:
    if _wants_json(request):
        return JSONResponse({"detail": str(error)}, status_code=400)
    return render(request, "error.html", status=400, heading="That address is not right", message=str(error))


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
        return await request_validation_exception_handler(request, error)
    first = error.errors()[0]
    where = first["loc"][-1] if first["loc"] else "the address"
    return render(
        request,
        "error.html",
        status=400,
        heading="That address is not right",
        message=f"{where}: {first['msg']}.",
    )


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
