"""Watching a channel: every new video once, and a failed look changes nothing."""

from collections.abc import Sequence

import pytest

from falcon_pipelines.strategies.videos.addresses import Feed
from falcon_pipelines.strategies.videos.polling import PollFailed, feed_ids, poll
from falcon_pipelines.strategies.videos.youtube import InfoUnavailable

CHANNEL = Feed("channel", "UC" + "a" * 22)
IDS = ("aaaaaaaaaa3", "aaaaaaaaaa2", "aaaaaaaaaa1")


def rss(ids: Sequence[str]) -> bytes:
    entries = "".join(f"<entry><yt:videoId>{video}</yt:videoId></entry>" for video in ids)
    return (
        '<?xml version="1.0"?><feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" '
        f'xmlns="http://www.w3.org/2005/Atom">{entries}</feed>'
    ).encode()


def no_feed(url: str) -> bytes:
    raise OSError("HTTP Error 404")


def test_new_videos_come_oldest_first_and_only_once() -> None:
    first = poll(CHANNEL, (), lambda url: rss(IDS[1:]))
    assert first.new == ("aaaaaaaaaa1", "aaaaaaaaaa2")
    second = poll(CHANNEL, first.cursor, lambda url: rss(IDS))
    assert second.new == ("aaaaaaaaaa3",)
    assert poll(CHANNEL, second.cursor, lambda url: rss(IDS)).new == ()


@pytest.mark.parametrize(
    "broken", [b"", b"<html>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><feed>&a;</feed>", rss(())]
)
def test_without_the_feed_the_listing_is_read(broken: bytes) -> None:
    found = poll(CHANNEL, ("aaaaaaaaaa1",), lambda url: broken, lambda feed: IDS)
    assert found.new == ("aaaaaaaaaa2", "aaaaaaaaaa3")
    assert poll(Feed("handle", "@x"), (), no_feed, lambda feed: IDS).new[0] == "aaaaaaaaaa1"


def test_a_failed_look_raises_and_so_moves_no_cursor() -> None:
    def no_listing(feed: Feed) -> tuple[str, ...]:
        raise InfoUnavailable("HTTP Error 429")

    with pytest.raises(PollFailed, match="429"):
        poll(CHANNEL, IDS, no_feed, no_listing)


def test_ids_in_a_feed_that_are_none_are_dropped() -> None:
    assert feed_ids(rss(("aaaaaaaaaa1", "../../etc", "<b>"[:1].replace("<", "x")))) == ("aaaaaaaaaa1",)
