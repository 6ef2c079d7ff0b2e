"""Watching channels and playlists: what is new since the last look. A failed look changes nothing."""

import re
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from falcon_pipelines.errors import FalconError
from falcon_pipelines.strategies.videos.addresses import Feed
from falcon_pipelines.strategies.videos.youtube import InfoUnavailable, list_videos

_TIMEOUT_SECONDS = 15.0
_MAX_BYTES = 2_000_000
_KEPT_IDS = 500
_VIDEO_ID = "{http://www.youtube.com/xml/schemas/2015}videoId"


class PollFailed(FalconError):
    """Neither the feed nor the listing of a channel could be read; the cursor stays."""


@dataclass(frozen=True)
class Poll:
    """Ids not seen before, oldest first, and the cursor to keep when they have been requested."""

    new: tuple[str, ...]
    cursor: tuple[str, ...]


def poll(
    feed: Feed,
    cursor: Sequence[str],
    read_feed: Callable[[str], bytes] | None = None,
    read_listing: Callable[[Feed], Sequence[str]] = list_videos,
) -> Poll:
    """What a channel or playlist has that the cursor has not: by its RSS feed, else by its last 15 videos.

    Raises PollFailed.
    """
    ids: Sequence[str] = ()
    if feed.rss_url is not None:
        try:
            ids = feed_ids((read_feed or _read)(feed.rss_url))
        except (OSError, ValueError):
            ids = ()
    if not ids:
        try:
            ids = read_listing(feed)
        except InfoUnavailable as error:
            raise PollFailed(f"{feed.url}: cannot be read: {str(error)[:200]}") from None
    return unseen(ids, cursor)


def unseen(ids: Sequence[str], cursor: Sequence[str]) -> Poll:
    """The ids (newest first) that the cursor does not hold, and the cursor with them: the latest 500."""
    known = set(cursor)
    new = [video for video in dict.fromkeys(ids) if video not in known]
    return Poll(tuple(reversed(new)), tuple([*new, *cursor][:_KEPT_IDS]))


def feed_ids(document: bytes) -> tuple[str, ...]:
    """Video ids of an RSS feed, newest first. Raises ValueError where it is no such feed."""
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        raise ValueError("a feed has no document type")
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - no entities get this far
    except ElementTree.ParseError as error:
        raise ValueError(f"not a feed: {error}") from None
    ids = [element.text or "" for element in root.iter(_VIDEO_ID)]
    return tuple(video for video in ids if re.fullmatch(r"[A-Za-z0-9_-]{11}", video))


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - built from an id, https
        body: bytes = response.read(_MAX_BYTES)
    return body
