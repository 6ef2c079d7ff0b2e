"""Transcripts of YouTube videos through yt-dlp: captions and metadata only, one video at a time, never the video."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from falcon_pipelines.strategies.transcripts import InvalidTranscript, Transcript, parse_words
from falcon_pipelines.strategies.videos.addresses import Feed, video_id, watch_url
from falcon_pipelines.strategies.videos.captions import YOUTUBE_ORIGINS, choose_track, fetch_captions
from falcon_pipelines.strategies.videos.states import NoTranscript, state_of_info, state_of_message

ReadInfo = Callable[[str], Mapping[str, Any]]
SECONDS_BETWEEN_VIDEOS = 5.0
_ONE_AT_A_TIME = threading.Lock()


class TranscriptSource(Protocol):
    """Where the transcript of an address comes from."""

    def fetch(self, address: str) -> Transcript:
        """The transcript of the video at an address. Raises NoTranscript, NotAYouTubeAddress."""


class InfoUnavailable(Exception):
    """yt-dlp could not read the metadata; the message is its own."""


@dataclass
class YouTubeSource:
    """YouTube, politely: at least five seconds between videos and never two at once."""

    read_info: ReadInfo = field(default_factory=lambda: read_info)
    origins: Sequence[tuple[str, str]] = YOUTUBE_ORIGINS
    pause_seconds: float = SECONDS_BETWEEN_VIDEOS
    _last: float = 0.0

    def fetch(self, address: str) -> Transcript:
        """The transcript of the video at an address, with its title, channel and original caption file.

        Raises NotAYouTubeAddress before any network, NoTranscript with the state of the video.
        """
        video = video_id(address)
        with _ONE_AT_A_TIME:
            time.sleep(max(0.0, self._last + self.pause_seconds - time.monotonic()))
            try:
                return self._fetch(video)
            finally:
                self._last = time.monotonic()

    def _fetch(self, video: str) -> Transcript:
        try:
            info = self.read_info(watch_url(video))
        except InfoUnavailable as error:
            raise NoTranscript(video, state_of_message(str(error)), str(error)[:300]) from None
        if info.get("id") != video:
            raise NoTranscript(video, "extractor_broken", "the metadata are of another video")
        state = state_of_info(info)
        if state is not None:
            raise NoTranscript(video, state)
        track = choose_track(info)
        original = fetch_captions(video, track, self.origins)
        try:
            words = parse_words(original, track.suffix, f"captions of {video}")
        except InvalidTranscript as error:
            raise NoTranscript(video, "extractor_broken", str(error)) from None
        return Transcript(
            id=video,
            title=_plain(info.get("title")) or video,
            url=watch_url(video),
            channel=_plain(info.get("channel") or info.get("uploader")),
            origin="youtube",
            words=words,
            original=original,
        )


def _plain(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return "".join(character for character in value if character.isprintable())[:300] or None


def read_info(url: str) -> Mapping[str, Any]:
    """The metadata of one video page. Raises InfoUnavailable with yt-dlp's message."""
    return _extract(url, {"noplaylist": True})


def list_videos(feed: Feed, count: int = 15) -> tuple[str, ...]:
    """Ids of the latest videos of a channel or playlist, newest first. Raises InfoUnavailable."""
    info = _extract(feed.url, {"extract_flat": True, "playlist_items": f"1-{count}"})
    entries = [entry for entry in info.get("entries") or () if isinstance(entry, dict)]
    return tuple(str(entry["id"]) for entry in entries if entry.get("id"))[:count]


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


def _extract(url: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    os.environ["YTDLP_NO_PLUGINS"] = "1"
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

    logger = _Quiet()
    settings: dict[str, Any] = {
        "skip_download": True,
        "writesubtitles": True,
        "writeautomaticsub": True,
        "subtitleslangs": ["en-orig", "en"],
        "allowed_extractors": ["youtube", "youtube:.*"],
        "js_runtimes": {"deno": {}, "node": {}},
        "socket_timeout": 20,
        "retries": 1,
        "extractor_retries": 1,
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
    if not isinstance(info, dict):
        raise InfoUnavailable("yt-dlp returned nothing")
    return info
