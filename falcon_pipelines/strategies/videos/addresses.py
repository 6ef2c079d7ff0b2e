"""Which addresses may be asked for a video: YouTube's own over https. Decided before any network."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from falcon_pipelines.errors import InputError

_HOSTS = frozenset(
    {
        "youtube.com",
        "www.youtube.com",
        "m.youtube.com",
        "music.youtube.com",
        "www.youtube-nocookie.com",
        "youtu.be",
    }
)
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_CHANNEL_ID = re.compile(r"UC[A-Za-z0-9_-]{22}")
_HANDLE = re.compile(r"@[A-Za-z0-9_.\-]{3,30}")
_PLAYLIST_ID = re.compile(r"(?:PL|UU|FL|OL)[A-Za-z0-9_-]{10,60}")


class NotAYouTubeAddress(InputError):
    """An address is not one of a YouTube video, channel or playlist over https."""


@dataclass(frozen=True)
class Feed:
    """A channel or playlist to watch."""

    kind: Literal["channel", "handle", "playlist"]
    id: str

    @property
    def url(self) -> str:
        """Its page; of a channel that of its videos."""
        if self.kind == "playlist":
            return f"https://www.youtube.com/playlist?list={self.id}"
        path = self.id if self.kind == "handle" else f"channel/{self.id}"
        return f"https://www.youtube.com/{path}/videos"

    @property
    def rss_url(self) -> str | None:
        """Its RSS feed; None for a handle, which the feed does not know."""
        if self.kind == "handle":
            return None
        key = "channel_id" if self.kind == "channel" else "playlist_id"
        return f"https://www.youtube.com/feeds/videos.xml?{key}={self.id}"


def watch_url(video_id: str) -> str:
    """The page of a video."""
    return f"https://www.youtube.com/watch?v={video_id}"


def moment_url(video_id: str, seconds: float | None) -> str:
    """The page of a video, opened at a second."""
    at = "" if seconds is None else f"&t={int(seconds)}s"
    return f"{watch_url(video_id)}{at}"


def video_id(address: str) -> str:
    """The id of the video at an address.

    Raises NotAYouTubeAddress: another host or scheme, a port, a name or password in it, or no video.
    """
    path, query = _checked(address)
    parts = [part for part in path.split("/") if part]
    candidate = ""
    if parts[:1] == ["watch"]:
        candidate = (parse_qs(query).get("v") or [""])[0]
    elif len(parts) == 2 and parts[0] in ("shorts", "live", "embed", "v", "youtu.be"):
        candidate = parts[1]
    if not _VIDEO_ID.fullmatch(candidate):
        raise NotAYouTubeAddress(f"{_short(address)}: is not the address of a YouTube video")
    return candidate


def feed(address: str) -> Feed:
    """The channel or playlist at an address. Raises NotAYouTubeAddress."""
    path, query = _checked(address)
    parts = [part for part in path.split("/") if part]
    listed = (parse_qs(query).get("list") or [""])[0]
    if parts[:1] == ["playlist"] and _PLAYLIST_ID.fullmatch(listed):
        return Feed("playlist", listed)
    if parts[:1] == ["channel"] and len(parts) >= 2 and _CHANNEL_ID.fullmatch(parts[1]):
        return Feed("channel", parts[1])
    if parts and _HANDLE.fullmatch(parts[0]):
        return Feed("handle", parts[0])
    raise NotAYouTubeAddress(f"{_short(address)}: is not the address of a YouTube channel or playlist")


def _checked(address: str) -> tuple[str, str]:
    """Path and query of an address of YouTube over https; the path of youtu.be begins with its host."""
    if not address.isascii() or re.search(r"[\s\\\x00-\x1f]", address) or len(address) > 500:
        raise NotAYouTubeAddress(f"{_short(address)}: is not an address")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise NotAYouTubeAddress(f"{_short(address)}: is not an address") from None
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or "@" in parts.netloc or port not in (None, 443) or host not in _HOSTS:
        raise NotAYouTubeAddress(f"{_short(address)}: only YouTube over https can be asked")
    path = f"/youtu.be{parts.path}" if host == "youtu.be" else parts.path
    return path, parts.query


def _short(address: str) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in address)
    return printable[:100] or "an empty address"
