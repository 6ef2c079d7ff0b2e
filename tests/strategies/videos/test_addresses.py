"""Only YouTube over https is ever asked, and that is decided before any network."""

import pytest

from falcon_pipelines.strategies.videos.addresses import Feed, NotAYouTubeAddress, feed, moment_url, video_id


@pytest.mark.parametrize(
    "address",
    [
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtube.com/watch?v=dQw4w9WgXcQ&t=43s&list=PLx",
        "https://m.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcQ?si=abc",
        "https://www.youtube.com/shorts/dQw4w9WgXcQ",
        "https://www.youtube.com/live/dQw4w9WgXcQ?feature=share",
        "https://www.youtube.com:443/embed/dQw4w9WgXcQ",
        "https://WWW.YouTube.com/watch?v=dQw4w9WgXcQ",
    ],
)
def test_the_addresses_of_a_video_are_known(address: str) -> None:
    assert video_id(address) == "dQw4w9WgXcQ"


@pytest.mark.parametrize(
    "address",
    [
        "http://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://www.youtube.com.evil.example/watch?v=dQw4w9WgXcQ",
        "https://evil.example/watch?v=dQw4w9WgXcQ",
        "https://www.youtube.com@evil.example/watch?v=dQw4w9WgXcQ",
        "https://evil.example#@www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://evil.example\\@www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://www.youtube.com:8443/watch?v=dQw4w9WgXcQ",
        "https://user:pass@www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://www.youtube.com/redirect?q=https://evil.example",
        "https://www.youtube.com/watch?v=../../etc/passwd",
        "https://www.youtube.com/watch?v=short",
        "https://www.youtube.com/watch",
        "https://127.0.0.1/watch?v=dQw4w9WgXcQ",
        "https://[::1]/watch?v=dQw4w9WgXcQ",
        "https://[bad/watch?v=dQw4w9WgXcQ",
        "https://www.youtube.com:abc/watch?v=dQw4w9WgXcQ",
        "file:///etc/passwd",
        "ytsearch:golden cross",
        "dQw4w9WgXcQ",
        "https://www.yоutube.com/watch?v=dQw4w9WgXcQ",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ\nhost: evil",
        "",
    ],
)
def test_everything_else_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(NotAYouTubeAddress) as caught:
        video_id(address)
    assert "\n" not in str(caught.value)


def test_channels_and_playlists_are_known() -> None:
    channel = "UC" + "a" * 22
    assert feed(f"https://www.youtube.com/channel/{channel}/videos") == Feed("channel", channel)
    assert feed("https://www.youtube.com/@SomeTrader") == Feed("handle", "@SomeTrader")
    assert feed("https://www.youtube.com/playlist?list=PL1234567890") == Feed("playlist", "PL1234567890")
    with pytest.raises(NotAYouTubeAddress):
        feed("https://www.youtube.com/watch?v=dQw4w9WgXcQ")
    with pytest.raises(NotAYouTubeAddress):
        feed("https://evil.example/@SomeTrader")


def test_a_rule_links_to_its_second() -> None:
    assert moment_url("dQw4w9WgXcQ", 75.9) == "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=75s"
