"""Videos over the API: transcripts with their rules marked, what was taken from each, and what is on its way in."""

from typing import Annotated

from fastapi import Path, Request

from falcon_pipelines.dashboard.api.parameters import (
    BAD_CURSOR,
    MAY_BE_MISSING,
    After,
    Limit,
    Words,
    api_router,
    read,
    read_one,
)
from falcon_pipelines.dashboard.cursors import parse_cursor
from falcon_pipelines.dashboard.queries import intake, readings, videos
from falcon_pipelines.dashboard.values import Page

router = api_router("videos")

TranscriptId = Annotated[str, Path(max_length=200, pattern="^[^\\x00]+$")]


@router.get("/videos", responses=BAD_CURSOR)
async def get_videos(
    request: Request, words: Words = None, limit: Limit = 50, after: After = None
) -> Page[videos.VideoRow]:
    """Videos with a transcript, newest first; `words` are looked for in title and channel."""
    cursor = parse_cursor(after)
    return await read(request, lambda session: videos.videos(session, words=words, after=cursor, limit=limit))


@router.get("/videos/{transcript_id}", responses=MAY_BE_MISSING)
async def get_video(request: Request, transcript_id: TranscriptId) -> videos.VideoDetail:
    """A transcript with the words of its rules marked."""
    return await read_one(request, lambda session: videos.video(session, transcript_id), "such video")


@router.get("/videos/{transcript_id}/readings")
async def get_readings(request: Request, transcript_id: TranscriptId) -> readings.Readings:
    """The strategies the talk can be read as, side by side with what each came to; no rows where there are none."""
    return await read(request, lambda session: readings.readings(session, transcript_id))


@router.get("/intake/videos", responses=BAD_CURSOR)
async def get_video_states(
    request: Request, limit: Limit = 50, after: After = None
) -> Page[intake.VideoState]:
    """Videos that were asked for, newest first: how far each came, why, and what happens next."""
    cursor = parse_cursor(after)
    return await read(request, lambda session: intake.video_states(session, after=cursor, limit=limit))


@router.get("/intake/channels")
async def get_channels(request: Request) -> list[intake.Feed]:
    """The watched channels and playlists, by address."""
    return await read(request, intake.feeds)


@router.get("/intake/files", responses=BAD_CURSOR)
async def get_files(request: Request, limit: Limit = 50, after: After = None) -> Page[intake.DroppedFile]:
    """Files in the watched folder, newest first, and what became of each."""
    cursor = parse_cursor(after)
    return await read(request, lambda session: intake.dropped_files(session, after=cursor, limit=limit))
