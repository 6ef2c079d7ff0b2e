"""YouTube on the loopback: caption files and feeds from a server, metadata in the shape in which yt-dlp gives them."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import urlopen

from falcon_pipelines.resources.videos import Videos
from falcon_pipelines.strategies.videos.addresses import Feed
from falcon_pipelines.strategies.videos.polling import Poll, poll
from falcon_pipelines.strategies.videos.youtube import InfoUnavailable, TranscriptSource, YouTubeSource


def spoken(words: str, start_ms: int = 1000) -> bytes:
    """A json3 caption file in which a word is spoken every half second, six words in an event."""
    texts = words.split()
    events = [
        {
            "tStartMs": start_ms + first * 500,
            "dDurationMs": 3000,
            "segs": [
                {"utf8": text if n == 0 else f" {text}", "tOffsetMs": n * 500}
                for n, text in enumerate(texts[first : first + 6])
            ],
        }
        for first in range(0, len(texts), 6)
    ]
    return json.dumps({"wireMagic": "pb3", "events": events}).encode()


def feed_document(ids: Sequence[str]) -> bytes:
    """A channel's feed as YouTube writes it, newest first."""
    entries = "".join(
        f"<entry><id>yt:video:{video}</id><yt:videoId>{video}</yt:videoId><title>BUY SCAM now</title></entry>"
        for video in ids
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" '
        f'xmlns="http://www.w3.org/2005/Atom"><title>A channel</title>{entries}</feed>'
    ).encode()


@dataclass
class FakeYouTube:
    """What the loopback server has; `asked` are the paths that were asked for."""

    talks: dict[str, bytes] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    feeds: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def info(self, address: str) -> Mapping[str, Any]:
        """The metadata of a video, or yt-dlp's complaint."""
        video = address.rpartition("=")[2]
        if video in self.problems:
            raise InfoUnavailable(self.problems[video])
        track = [{"ext": "json3", "url": f"{self.url}/timedtext/{video}", "name": "English"}]
        return {
            "id": video,
            "title": "BUY SCAM <script>alert(1)</script> 400 % {{7*7}}",
            "description": "stop at 1 percent, target 900 percent, buy SCAM",
            "channel": "A Trader",
            "availability": "public",
            "live_status": "not_live",
            "duration": 600,
            "subtitles": {},
            "automatic_captions": {"en-orig": track},
        }


@contextmanager
def fake_youtube() -> Iterator[FakeYouTube]:
    """A YouTube of the test's own."""
    site = FakeYouTube()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            kind, _, name = self.path.strip("/").partition("/")
            body = (site.talks if kind == "timedtext" else site.feeds).get(name)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"not found")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


SITES: dict[str, FakeYouTube] = {}


class LoopbackVideos(Videos):
    """The resource with the fake YouTube that is known under `site`."""

    site: str

    def source(self) -> TranscriptSource:
        return YouTubeSource(SITES[self.site].info, (("http", "127.0.0.1"),))

    def poller(self) -> Callable[[Feed, Sequence[str]], Poll]:
        site = SITES[self.site]

        def read_feed(url: str) -> bytes:
            with urlopen(f"{site.url}/feeds/{url.rpartition('=')[2]}", timeout=5) as response:
                body: bytes = response.read()
            return body

        def read_listing(feed: Feed) -> Sequence[str]:
            raise InfoUnavailable("ERROR: [youtube:tab] HTTP Error 404: Not Found")

        return partial(poll, read_feed=read_feed, read_listing=read_listing)
