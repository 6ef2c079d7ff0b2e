"""From the metadata of a video and a caption server to a transcript, or to the state that says why there is none."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from falcon_pipelines.strategies.videos.addresses import NotAYouTubeAddress
from falcon_pipelines.strategies.videos.captions import Track, choose_track, fetch_captions
from falcon_pipelines.strategies.videos.states import NEXT_STEPS, NoTranscript, next_attempt, state_of_message
from falcon_pipelines.strategies.videos.youtube import (
    InfoUnavailable,
    YouTubeSource,
    javascript_runtimes,
    read_info,
)

VIDEO = "dQw4w9WgXcQ"
ADDRESS = f"https://www.youtube.com/watch?v={VIDEO}"
LOOPBACK = (("http", "127.0.0.1"),)
CAPTIONS = json.dumps(
    {"events": [{"tStartMs": 4000, "segs": [{"utf8": "buy"}, {"utf8": " low", "tOffsetMs": 500}]}]}
).encode()


@contextmanager
def caption_server(
    body: bytes = CAPTIONS, status: int = 200, location: str | None = None
) -> Iterator[tuple[str, list[str]]]:
    """The address of a caption file on the loopback, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            if location:
                self.send_header("location", location)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/timedtext?v={VIDEO}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def info(url: str = "https://www.youtube.com/api/timedtext", **changes: Any) -> dict[str, Any]:
    """Metadata in the shape in which yt-dlp gives them."""
    track = [{"ext": ext, "url": f"{url}&fmt={ext}", "name": "English"} for ext in ("json3", "srv1", "vtt")]
    return {
        "id": VIDEO,
        "title": "My strategy: BUY TSLA, 400 %\x1b[31m",
        "channel": "Some Trader",
        "uploader": "Some Trader",
        "duration": 600,
        "availability": "public",
        "live_status": "not_live",
        "subtitles": {},
        "automatic_captions": {"de": track, "en": track, "en-orig": track},
        "formats": [],
    } | changes


def source(answer: Mapping[str, Any] | str) -> YouTubeSource:
    def read(url: str) -> Mapping[str, Any]:
        assert url == ADDRESS
        if isinstance(answer, str):
            raise InfoUnavailable(answer)
        return answer

    return YouTubeSource(read, LOOPBACK)


def test_a_video_becomes_a_transcript_with_its_original_captions() -> None:
    with caption_server() as (url, asked):
        transcript = source(info(url)).fetch(f"https://youtu.be/{VIDEO}")
    assert transcript.words == (("buy", 4.0), ("low", 4.5))
    assert transcript.original == CAPTIONS
    assert (transcript.id, transcript.url, transcript.channel) == (VIDEO, ADDRESS, "Some Trader")
    assert transcript.origin == "youtube"
    assert transcript.title.isprintable()
    assert len(asked) == 1
    assert "fmt=json3" in asked[0]


def test_captions_by_people_go_before_automatic_ones_and_the_original_before_its_translation() -> None:
    manual = [{"ext": "vtt", "url": "https://www.youtube.com/manual"}]
    assert choose_track(info(subtitles={"en-GB": manual})) == Track(
        "https://www.youtube.com/manual", ".vtt", "en-GB", manual=True
    )
    assert choose_track(info()).language == "en-orig"


def test_another_address_is_refused_before_any_network() -> None:
    def read(url: str) -> Mapping[str, Any]:
        raise AssertionError("asked the network")

    with pytest.raises(NotAYouTubeAddress):
        YouTubeSource(read).fetch("https://evil.example/watch?v=dQw4w9WgXcQ")


MESSAGES = {
    "ERROR: [youtube] x: This live event will begin in 3 hours.": "live_pending",
    "ERROR: [youtube] x: Premieres in 5 hours": "premiere",
    "ERROR: [youtube] x: We're still processing this video. Check back later.": "processing",
    "ERROR: [youtube] x: Sign in to confirm your age. This video may be inappropriate for some users.": "age_gated",
    "ERROR: [youtube] x: Join this channel to get access to members-only content like this video": "members_only",
    "ERROR: [youtube] x: Private video. Sign in if you've been granted access to this video": "private",
    "ERROR: [youtube] x: The uploader has not made this video available in your country": "geo",
    "ERROR: [youtube] x: Sign in to confirm you're not a bot. Use --cookies": "blocked_ip",
    "ERROR: [youtube] x: All player responses are invalid. Your IP is likely being blocked by Youtube": "blocked_ip",
    "ERROR: [youtube] x: Unable to download API page: HTTP Error 429: Too Many Requests": "rate_limited",
    "ERROR: [youtube] x: Unable to download API page: Failed to resolve 'www.youtube.com'": "unreachable",
    "ERROR: [youtube] x: Unable to download API page: Read timed out.": "unreachable",
    "ERROR: [youtube] x: Unable to download API page: HTTP Error 503: Service Unavailable": "unreachable",
    "yt-dlp failed with KeyError: 'videoDetails'": "extractor_broken",
    "ERROR: [youtube] x: Video unavailable. This video has been removed by the uploader": "unavailable",
    "ERROR: [youtube] x: Video unavailable": "unavailable",
    "ERROR: [youtube] x: Failed to extract any player response; please report this issue": "extractor_broken",
}


@pytest.mark.parametrize(("message", "state"), MESSAGES.items())
def test_what_yt_dlp_says_becomes_a_state(message: str, state: str) -> None:
    with pytest.raises(NoTranscript) as caught:
        source(message).fetch(ADDRESS)
    assert caught.value.state == state
    assert state in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"live_status": "is_upcoming", "duration": None}, "live_pending"),
        ({"live_status": "is_upcoming", "duration": 600}, "premiere"),
        ({"live_status": "is_live"}, "live_pending"),
        ({"live_status": "post_live", "automatic_captions": {}}, "processing"),
        ({"availability": "subscriber_only"}, "members_only"),
        ({"availability": "needs_auth"}, "age_gated"),
        ({"availability": "private"}, "private"),
        ({"automatic_captions": {}, "subtitles": {}}, "no_captions"),
        ({"automatic_captions": None, "subtitles": None}, "no_captions"),
        ({"automatic_captions": {"de": [{"ext": "vtt", "url": "https://www.youtube.com/x"}]}}, "no_captions"),
        (
            {"automatic_captions": {"en": [{"ext": "ttml", "url": "https://www.youtube.com/x"}]}},
            "no_captions",
        ),
        ({"automatic_captions": {"en": [{"ext": "vtt", "url": "http://10.0.0.1/x"}]}}, "extractor_broken"),
        ({"automatic_captions": {"en": [{"ext": "vtt", "url": "file:///etc/passwd"}]}}, "extractor_broken"),
        ({"id": "another_one"}, "extractor_broken"),
    ],
)
def test_what_the_metadata_say_becomes_a_state(changes: dict[str, Any], state: str) -> None:
    with pytest.raises(NoTranscript) as caught:
        source(info(**changes)).fetch(ADDRESS)
    assert caught.value.state == state


@pytest.mark.parametrize(
    ("body", "status", "location", "state"),
    [
        (b"", 200, None, "blocked_ip"),
        (b"", 429, None, "rate_limited"),
        (b"", 503, None, "unreachable"),
        (b"", 403, None, "blocked_ip"),
        (b"", 404, None, "no_captions"),
        (b"", 500, None, "extractor_broken"),
        (b"", 302, "http://127.0.0.1:1/other", "blocked_ip"),
        (b"<html>consent</html>", 200, None, "extractor_broken"),
        (b'{"events": []}', 200, None, "extractor_broken"),
    ],
)
def test_what_the_caption_server_does_becomes_a_state(
    body: bytes, status: int, location: str | None, state: str
) -> None:
    with caption_server(body, status, location) as (url, asked), pytest.raises(NoTranscript) as caught:
        source(info(url)).fetch(ADDRESS)
    assert caught.value.state == state
    assert len(asked) == 1


def test_a_silent_caption_server_is_tried_again_later() -> None:
    with caption_server() as (url, _):
        pass
    with pytest.raises(NoTranscript) as caught:
        fetch_captions(VIDEO, Track(url, ".json3", "en", manual=False), LOOPBACK)
    assert caught.value.state == "unreachable"


def test_only_passing_failures_are_tried_again_and_later_each_time() -> None:
    again = {state for state in NEXT_STEPS if next_attempt(state, 1) is not None}
    assert again == {
        "live_pending",
        "premiere",
        "processing",
        "blocked_ip",
        "rate_limited",
        "unreachable",
        "extractor_broken",
    }
    waits = [next_attempt("rate_limited", attempts) for attempts in (1, 2, 3)]
    assert waits == [timedelta(hours=1), timedelta(hours=2), timedelta(hours=4)]
    assert next_attempt("rate_limited", 5) is None
    assert state_of_message("something new") == "extractor_broken"


def test_a_premiere_is_tried_again_after_the_time_it_is_announced_for() -> None:
    with pytest.raises(NoTranscript) as caught:
        source(info(live_status="is_upcoming", release_timestamp=1_800_000_000)).fetch(ADDRESS)
    assert caught.value.not_before == datetime.fromtimestamp(1_800_000_000, UTC) + timedelta(hours=2)


def test_yt_dlp_finds_the_javascript_runtime_that_is_installed_with_falcon() -> None:
    runtimes = javascript_runtimes()
    assert runtimes
    assert runtimes[0].startswith("deno 2.")


def test_the_options_for_yt_dlp_reach_no_other_site_and_are_ones_it_knows() -> None:
    with pytest.raises(InfoUnavailable):
        read_info("https://127.0.0.1:9/watch?v=dQw4w9WgXcQ")
