"""Videos: what was read, what came of it, and each transcript with its rules marked."""

from fastapi import Request
from starlette.responses import Response

from falcon_pipelines.dashboard.pages.page import given, page_router, present, read
from falcon_pipelines.dashboard.queries.videos import video, videos
from falcon_pipelines.dashboard.rendering import render

router = page_router()


@router.get("/videos")
async def all_videos(request: Request) -> Response:
    """All videos."""
    rows, synthetic = await read(request, videos)
    return render(request, "videos.html", rows=rows, synthetic=synthetic)


@router.get("/videos/{transcript_id:path}")
async def one_video(request: Request, transcript_id: str) -> Response:
    """One transcript."""
    view, synthetic = await read(request, lambda session: video(session, given(transcript_id) or ""))
    return render(request, "video.html", view=present(view, "such video"), synthetic=synthetic)
