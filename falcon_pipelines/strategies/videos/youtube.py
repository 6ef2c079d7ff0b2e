"""Transcripts of YouTube videos through yt-dlp: captions and metadata only, one video at a time, never the video."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from falcon_pipelines.strategies.transcripts import InvalidTranscript, Transcript, parse_words, printable
from falcon_pipelines.strategies.videos.addresses import Feed, video_id, watch_url
from falcon_pipelines.strategies.videos.captions import YOUTUBE_ORIGINS, choose_track, fetch_captions
from falcon_pipelines.strategies.videos.states import NoTranscript, state_of_info, state_of_message

ReadInfo = Callable[[str], Mapping[str, Any]]
JAVASCRIPT_RUNTIMES: Mapping[str, Mapping[str, str]] = {"deno": {}, "node": {}}
"""What yt-dlp may run YouTube's own scripts with, the preferred one first; it looks beside Python and on PATH."""
_AFTER_A_SHOW = timedelta(hours=2)


class TranscriptSource(Protocol):
    """Where the transcript of an address comes from."""

    def fetch(self, address: str) -> Transcript:
        """The transcript of the video at an address. Raises NoTranscript, NotAYouTubeAddress."""


class InfoUnavailable(Exception):
    """yt-dlp could not read the metadata; the message is its own."""


@dataclass(frozen=True)
class YouTubeSource:
    """YouTube; the caller sees to it that videos are fetched one at a time and with pauses."""

    read_info: ReadInfo = field(default_factory=lambda: read_info)
    origins: Sequence[tuple[str, str]] = YOUTUBE_ORIGINS

    def fetch(self, address: str) -> Transcript:
        """The transcript of the video at an address, with its title, channel and original caption file.

        Raises NotAYouTubeAddress before any network, NoTranscript with the state of the video.
        """
        video = video_id(address)
        try:
            info = self.read_info(watch_url(video))
        except InfoUnavailable as error:
            message = printable(str(error))
            raise NoTranscript(video, state_of_message(message), message) from None
        if info.get("id") != video:
            raise NoTranscript(video, "extractor_broken", "the metadata are of another video")
        state = state_of_info(info)
        if state is not None:
            raise NoTranscript(video, state, not_before=_end_of_show(info))
        track = choose_track(info)
        original = fetch_captions(video, track, self.origins)
        try:
            words = parse_words(original, track.suffix, f"captions of {video}")
        except InvalidTranscript as error:
            raise NoTranscript(video, "extractor_broken", str(error)) from None
        return Transcript(
            id=video,
            title=printable(info.get("title")) or video,
            url=watch_url(video),
            channel=printable(info.get("channel") or info.get("uploader")) or None,
            origin="youtube",
            words=words,
            original=original,
        )


def _end_of_show(info: Mapping[str, Any]) -> datetime | None:
    """When a premiere or a live show that has a date should have captions."""
    starts = info.get("release_timestamp")
    if isinstance(starts, bool) or not isinstance(starts, int | float) or not 0 < starts < 1e11:
        return None
    return datetime.fromtimestamp(starts, UTC) + _AFTER_A_SHOW


def read_info(url: str) -> Mapping[str, Any]:
    """The metadata of one video page. Raises InfoUnavailable with yt-dlp's message."""
    return _extract(url, {"noplaylist": True})


def list_videos(feed: Feed, count: int = 15) -> tuple[str, ...]:
    """Ids of the latest videos of a channel or playlist, newest first. Raises InfoUnavailable."""
    info = _extract(feed.url, {"extract_flat": True, "playlist_items": f"1-{count}"})
    entries = [entry for entry in info.get("entries") or () if isinstance(entry, dict)]
    return tuple(str(entry["id"]) for entry in entries if entry.get("id"))[:count]


def javascript_runtimes() -> tuple[str, ...]:
    """Names, versions and paths of the JavaScript runtimes that yt-dlp finds here and can use, best first."""
    _without_plugins()
    # Importing yt_dlp registers the runtimes.
    from yt_dlp import YoutubeDL  # noqa: F401
    from yt_dlp.globals import supported_js_runtimes

    found = []
    for name in JAVASCRIPT_RUNTIMES:
        info = supported_js_runtimes.value[name]().info
        if info is not None and info.supported:
            found.append(f"{info.name} {info.version} ({info.path})")
    return tuple(found)


class _Quiet:
    """yt-dlp's own words, kept instead of printed."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def debug(self, message: str) -> None:
        """Dropped."""

    def warning(self, message: str) -> None:
        """Dropped: what matters comes as an error."""

    def error(self, message: str) -> None:
        """Kept for the state of the video."""
        self.errors.append(message)


def _without_plugins() -> None:
    os.environ["YTDLP_NO_PLUGINS"] = "1"


def _extract(url: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    _without_plugins()
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

    logger = _Quiet()
    settings: dict[str, Any] = {
        "skip_download": True,
        "writesubtitles": True,
        "writeautomaticsub": True,
        "subtitleslangs": ["en-orig", "en"],
        "allowed_extractors": ["youtube", "youtube:.*"],
        "js_runtimes": {name: dict(config) for name, config in JAVASCRIPT_RUNTIMES.items()},
        "socket_timeout": 20,
        "retries": 1,
        "extractor_retries": 1,
        "sleep_interval_requests": 1,
        "cachedir": False,
        "quiet": True,
        "no_warnings": True,
        "logger": logger,
        **options,
    }
    try:
        with YoutubeDL(settings) as downloader:
            flat = bool(options.get("extract_flat"))
            info = downloader.extract_info(url, download=False, process=flat)
    except YoutubeDLError as error:
        raise InfoUnavailable(" ".join([str(error), *logger.errors])) from None
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        # YouTube changes faster than yt-dlp: what it does not expect comes as an error of Python.
        raise InfoUnavailable(f"yt-dlp failed with {type(error).__name__}: {error}") from None
    if not isinstance(info, dict):
        raise InfoUnavailable("yt-dlp returned nothing")
    return info
