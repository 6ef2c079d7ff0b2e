"""Whether the process runs (`/healthz`) and whether it can answer from the database (`/readyz`)."""

from fastapi import APIRouter, Request, Response

from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.errors import FalconError

router = APIRouter(tags=["health"])


class Health(Value):
    """`status` is `ok` or says in one line what is missing."""

    status: str
    revision: str | None = None


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
