"""The stream a page listens to for changes."""

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from falcon_pipelines.dashboard.changes import ChangeFeed

router = APIRouter(include_in_schema=False)


@router.get("/live")
async def live(request: Request) -> StreamingResponse:
    """Server-sent events: which tables changed."""
    feed: ChangeFeed = request.app.state.changes
    feed.require_room()
    return StreamingResponse(
        feed.watch(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )
