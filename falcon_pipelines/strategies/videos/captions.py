"""Choosing a caption track from a video's metadata, and fetching it."""

import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from falcon_pipelines.strategies.transcripts import MAX_BYTES
from falcon_pipelines.strategies.videos.states import NoTranscript, VideoState, state_without_captions

_AUTOMATIC_LANGUAGES = ("en-orig", "en")
_FORMATS = ("json3", "vtt", "srt")
YOUTUBE_ORIGINS = (("https", "www.youtube.com"), ("https", "youtube.com"))
_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Track:
    """A caption file of a video: where it is, its suffix with the dot, and whether people wrote it."""

    url: str
    suffix: str
    language: str
    manual: bool


def choose_track(info: Mapping[str, Any]) -> Track:
    """The English track to read: written by people before automatic, word times before repeating lines.

    Raises NoTranscript.
    """
    for manual, kind in ((True, "subtitles"), (False, "automatic_captions")):
        tracks = info.get(kind)
        if not isinstance(tracks, dict):
            continue
        languages: Sequence[str] = _AUTOMATIC_LANGUAGES
        if manual:
            languages = ["en", *sorted(name for name in tracks if str(name).startswith("en-"))]
        for language in languages:
            formats = {
                entry.get("ext"): entry.get("url")
                for entry in tracks.get(language) or ()
                if isinstance(entry, dict) and isinstance(entry.get("url"), str)
            }
            for name in _FORMATS:
                if formats.get(name):
                    return Track(str(formats[name]), f".{name}", language, manual)
    raise NoTranscript(str(info.get("id")), state_without_captions(info))


def fetch_captions(video: str, track: Track, origins: Sequence[tuple[str, str]] = YOUTUBE_ORIGINS) -> bytes:
    """The caption file, asked for once, at most 20 MB, from one of `origins` and without following redirects.

    Raises NoTranscript.
    """
    parts = urlsplit(track.url)
    if (parts.scheme, parts.hostname or "") not in origins:
        raise NoTranscript(video, "extractor_broken", "the captions are not at YouTube")
    opener = urllib.request.build_opener(_NoRedirects)
    began = time.monotonic()
    try:
        with opener.open(track.url, timeout=_TIMEOUT_SECONDS) as response:
            body: bytes = response.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise NoTranscript(video, _state_of_status(error.code), f"captions: HTTP {error.code}") from None
    except (OSError, ValueError) as error:
        waited = time.monotonic() - began
        raise NoTranscript(
            video, "unreachable", f"captions: {type(error).__name__} after {waited:.0f} s"
        ) from None
    if not body.strip():
        raise NoTranscript(video, "blocked_ip", "captions: an empty file")
    return body


def _state_of_status(status: int) -> VideoState:
    if status == 429:
        return "rate_limited"
    if status in (502, 503, 504):
        return "unreachable"
    if status in (401, 403) or 300 <= status < 400:
        return "blocked_ip"
    return "no_captions" if status in (404, 410) else "extractor_broken"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        raise urllib.error.HTTPError(req.full_url, code, msg, headers or Message(), fp)
