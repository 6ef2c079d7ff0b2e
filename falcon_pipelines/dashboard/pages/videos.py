"""Videos: asking for one, what became of each, watched channels, and each transcript with its rules marked."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.asking.fields import video_address
from falcon_pipelines.dashboard.asking.forms import Form, InvalidForm, form_key, read_form
from falcon_pipelines.dashboard.asking.submit import submit
from falcon_pipelines.dashboard.csv_export import csv_response
from falcon_pipelines.dashboard.cursors import Cursor as TimeAndId
from falcon_pipelines.dashboard.cursors import parse_cursor
from falcon_pipelines.dashboard.pages.page import Cursor, OptionalText, given, page_router, present, read
from falcon_pipelines.dashboard.queries.asked import Asked, newest
from falcon_pipelines.dashboard.queries.intake import (
    DroppedFile,
    Feed,
    VideoState,
    dropped_files,
    feeds,
    video_states,
)
from falcon_pipelines.dashboard.queries.readings import Readings, readings
from falcon_pipelines.dashboard.queries.videos import VideoDetail, VideoLine, VideoRow, video, videos
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.values import Page, Value
from falcon_pipelines.db.requests import ask

router = page_router()

KINDS = ("study_video", "watch_feed", "unwatch_feed")


@dataclass(frozen=True)
class Wanted:
    """Which part of each list the address asks for."""

    words: str | None = None
    transcripts: TimeAndId | None = None
    states: TimeAndId | None = None
    files: TimeAndId | None = None


class VideosView(Value):
    """Everything on the page."""

    transcripts: Page[VideoRow]
    states: Page[VideoState]
    feeds: list[Feed]
    files: Page[DroppedFile]
    requests: list[Asked]


@router.get("/videos")
async def all_videos(
    request: Request,
    words: OptionalText = None,
    after: Cursor = None,
    states_after: Cursor = None,
    files_after: Cursor = None,
) -> Response:
    """All videos."""
    wanted = Wanted(given(words), parse_cursor(after), parse_cursor(states_after), parse_cursor(files_after))
    return await _page(request, Form(), Form(), wanted)


@router.get("/videos.csv")
async def videos_csv(request: Request, words: OptionalText = None) -> Response:
    """All transcripts that match."""

    async def fetch(after: TimeAndId | None, limit: int) -> Page[VideoLine]:
        page, _ = await read(
            request, lambda session: videos(session, words=given(words), after=after, limit=limit)
        )
        return Page(items=[VideoLine.of(row) for row in page.items], next=page.next)

    return await csv_response("transcripts", VideoLine, fetch)


@router.get("/videos/states.csv")
async def states_csv(request: Request) -> Response:
    """Every video that was asked for, and what became of it."""

    async def fetch(after: TimeAndId | None, limit: int) -> Page[VideoState]:
        page, _ = await read(request, lambda session: video_states(session, after=after, limit=limit))
        return page

    return await csv_response("videos", VideoState, fetch)


@router.get("/videos/files.csv")
async def files_csv(request: Request) -> Response:
    """Every file of the watched folder."""

    async def fetch(after: TimeAndId | None, limit: int) -> Page[DroppedFile]:
        page, _ = await read(request, lambda session: dropped_files(session, after=after, limit=limit))
        return page

    return await csv_response("transcript-files", DroppedFile, fetch)


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

    def query(session: Session) -> tuple[VideoDetail | None, Readings]:
        return video(session, name), readings(session, name)

    (found, rows), synthetic = await read(request, query)
    view = present(found, "such video")
    return render(request, "video.html", view=view, readings=rows, synthetic=synthetic)


async def _page(request: Request, submission: Form, watching: Form, wanted: Wanted | None = None) -> Response:
    wanted = wanted or Wanted()

    def query(session: Session) -> VideosView:
        return VideosView(
            transcripts=videos(session, words=wanted.words, after=wanted.transcripts),
            states=video_states(session, after=wanted.states),
            feeds=feeds(session),
            files=dropped_files(session, after=wanted.files),
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
        words=wanted.words,
        synthetic=synthetic,
    )
