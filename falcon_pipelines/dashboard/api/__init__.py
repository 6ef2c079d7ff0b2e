"""The JSON API: the read models of the pages, typed and paged, and the requests that their forms make; one module a subject."""

from falcon_pipelines.dashboard.api import (
    asking,
    data,
    machinery,
    overview,
    research,
    screens,
    session,
    trading,
    videos,
)

ROUTERS = (
    overview.router,
    trading.router,
    research.router,
    videos.router,
    screens.router,
    data.router,
    machinery.router,
    asking.router,
    session.router,
)

__all__ = ["ROUTERS"]
