"""Puts the web application together: routes, and what each request passes on its way to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware.gzip import GZipMiddleware

from falcon_pipelines import __version__
from falcon_pipelines.dashboard import (
    api,
    assets,
    health,
    live,
    metrics,
    pages,
)
from falcon_pipelines.dashboard.access.audit import Audit, Traffic
from falcon_pipelines.dashboard.access.directory import Directory
from falcon_pipelines.dashboard.access.doorkeeper import Doorkeeper
from falcon_pipelines.dashboard.access.gate import Gate
from falcon_pipelines.dashboard.access.login_log import LoginLog
from falcon_pipelines.dashboard.access.policy import AccessPolicy
from falcon_pipelines.dashboard.changes import ChangeFeed
from falcon_pipelines.dashboard.database import DEADLINE_SECONDS, Database
from falcon_pipelines.dashboard.failures import add_failure_handlers
from falcon_pipelines.dashboard.security import SecurityHeaders


def create_app(
    database_url: str, policy: AccessPolicy, *, deadline_seconds: float = DEADLINE_SECONDS
) -> FastAPI:
    """The dashboard over one application database, letting people in by `policy`.

    After `deadline_seconds` without an answer of the database, pages say so instead of waiting on.
    Raises InvalidDatabaseUrl. The database need not be up: pages say so until it is.
    """
    assets.asset_url(assets.PLOTLY)
    database = Database(database_url, deadline_seconds)
    directory = Directory(database)
    registry = CollectorRegistry()

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
    app.state.doorkeeper = Doorkeeper(policy, directory, LoginLog(database))
    app.state.registry = metrics.describe(registry)
    app.state.changes = ChangeFeed(database_url)
    app.state.changes.on_change(directory.changed)
    for router in (
        health.router,
        metrics.router,
        *api.ROUTERS,
        assets.router,
        live.router,
        *pages.ROUTERS,
    ):
        app.include_router(router)
    add_failure_handlers(app)
    app.add_middleware(Gate, doorkeeper=app.state.doorkeeper)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Audit, traffic=Traffic(registry))
    return app
