"""Videos: asking for one, what became of each, watched channels, and each transcript with its rules marked."""

from collections.abc import Mapping

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.asking.fields import video_address
from falcon_pipelines.dashboard.asking.forms import Form, InvalidForm, form_key, read_form
from falcon_pipelines.dashboard.asking.submit import submit
from falcon_pipelines.dashboard.pages.page import OptionalText, given, page_router, present, read
from falcon_pipelines.dashboard.queries.asked import Asked, newest
from falcon_pipelines.dashboard.queries.intake import (
    DroppedFile,
    Feed,
    VideoState,
    dropped_files,
    feeds,
    video_states,
)
from falcon_pipelines.dashboard.queries.readings import Reading, readings
from falcon_pipelines.dashboard.queries.videos import VideoDetail, VideoRow, video, videos
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.requests import ask

router = page_router()

KINDS = ("study_video", "watch_feed", "unwatch_feed")


class VideosView(Value):
    """Everything on the page."""

    rows: list[VideoRow]
    states: list[VideoState]
    feeds: list[Feed]
    files: list[DroppedFile]
    requests: list[Asked]


@router.get("/videos")
async def all_videos(request: Request) -> Response:
    """All videos."""
    return await _page(request, Form(), Form())


@router.post("/videos")
async def study(request: Request) -> Response:
    """Ask for one video."""
    sent: Mapping[str, str] = request.state.form
    try:
        url = read_form(sent, {"url": video_address})["url"]
    except InvalidForm as invalid:
        return await _page(request, invalid.form, Form())
    return await submit(
        request,
        "r",
        form_key(sent),
        "/videos",
        lambda session, by, key: ask(session, "study_video", {"url": url}, by, key=key),
        f"study {url}",
    )


@router.post("/feeds")
async def watch(request: Request) -> Response:
    """Watch a channel or a playlist."""
    sent: Mapping[str, str] = request.state.form
    try:
        url = read_form(sent, {"feed": video_address})["feed"]
    except InvalidForm as invalid:
        return await _page(request, Form(), invalid.form)
    return await submit(
        request,
        "r",
        form_key(sent),
        "/videos",
        lambda session, by, key: ask(session, "watch_feed", {"url": url}, by, key=key),
        f"watch {url}",
    )


@router.get("/feeds/unwatch")
async def confirm_unwatch(request: Request, url: OptionalText = None) -> Response:
    """The question before a channel is left."""
    found, _ = await read(request, feeds)
    feed = present(next((feed for feed in found if feed.url == url), None), "watched channel of this address")
    return render(request, "unwatch.html", feed=feed, form=Form())


@router.post("/feeds/unwatch")
async def unwatch(request: Request) -> Response:
    """Stop watching."""
    sent: Mapping[str, str] = request.state.form
    found, _ = await read(request, feeds)
    feed = present(
        next((feed for feed in found if feed.url == sent.get("url")), None), "watched channel of this address"
    )
    return await submit(
        request,
        "r",
        form_key(sent),
        "/videos",
        lambda session, by, key: ask(session, "unwatch_feed", {"url": feed.url}, by, key=key),
        f"stop watching {feed.url}",
    )


@router.get("/videos/{transcript_id:path}")
async def one_video(request: Request, transcript_id: str) -> Response:
    """One transcript."""
    name = given(transcript_id) or ""

    def query(session: Session) -> tuple[VideoDetail | None, list[Reading]]:
        return video(session, name), readings(session, name)

    (found, rows), synthetic = await read(request, query)
    view = present(found, "such video")
    return render(request, "video.html", view=view, readings=rows, synthetic=synthetic)


async def _page(request: Request, submission: Form, watching: Form) -> Response:
    def query(session: Session) -> VideosView:
        return VideosView(
            rows=videos(session),
            states=video_states(session),
            feeds=feeds(session),
            files=dropped_files(session),
            requests=newest(session, KINDS),
        )

    view, synthetic = await read(request, query)
    return render(
        request,
        "videos.html",
        status=422 if submission.problems or watching.problems else 200,
        view=view,
        submission=submission,
        watching=watching,
        synthetic=synthetic,
    )
