"""How the process is: it runs (`/livez`, `/healthz`), it can answer from the database (`/readyz`), and in full (`/status`)."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from falcon_pipelines import __version__
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.errors import FalconError

router = APIRouter(tags=["health"])


class Health(Value):
    """`status` is `ok` or says in one line what is missing."""

    status: str
    revision: str | None = None


class Status(Value):
    """What a monitor wants to know of this process; `problem` is None when it can answer from the database."""

    service: str
    version: str
    started_at: datetime
    revision: str | None
    problem: str | None


_STARTED_AT = datetime.now(UTC)


@router.get("/status", include_in_schema=False)
async def status(request: Request) -> Status:
    """In full, always 200; for the addresses of FALCON_METRICS_FROM."""
    revision, problem = None, None
    try:
        revision = await request.app.state.database.require_schema()
    except FalconError as error:
        problem = str(error)
    return Status(
        service="dashboard",
        version=__version__,
        started_at=_STARTED_AT,
        revision=revision,
        problem=problem,
    )


@router.get("/livez")
@router.get("/healthz")
async def healthz() -> Health:
    """The process answers; nothing else is asked."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health}})
async def readyz(request: Request, response: Response) -> Health:
    """The database answers and has the schema this program expects."""
    try:
        return Health(status="ok", revision=await request.app.state.database.require_schema())
    except FalconError as error:
        response.status_code = 503
        return Health(status=str(error))
