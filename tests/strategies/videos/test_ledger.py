"""Each video is fetched once; a failure is kept with what happens next; a failed look moves no cursor."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models.videos import Video, WatchedFeed
from falcon_pipelines.strategies.videos import ledger
from falcon_pipelines.strategies.videos.polling import unseen
from falcon_pipelines.strategies.videos.states import NoTranscript

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIRST, SECOND = "aaaaaaaaaa1", "aaaaaaaaaa2"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database_engine(database_url)
    yield engine
    engine.dispose()


def due(engine: Engine, now: datetime) -> list[tuple[str, int]]:
    with transaction(engine) as session:
        return [(video.id, video.attempt) for video in ledger.due_videos(session, now)]


def test_videos_are_fetched_once_and_passing_failures_tried_again_later(engine: Engine) -> None:
    with transaction(engine) as session:
        ledger.request_videos(session, [FIRST, SECOND], "submitted", NOW)
        ledger.request_videos(session, [FIRST], "submitted", NOW + timedelta(hours=1))
    assert due(engine, NOW) == [(FIRST, 1), (SECOND, 1)]
    with transaction(engine) as session:
        ledger.mark_fetched(session, FIRST, NOW)
        ledger.mark_failed(session, NoTranscript(SECOND, "geo"), NOW)
    assert due(engine, NOW) == [(FIRST, 2)]
    with transaction(engine) as session:
        ledger.mark_studied(session, FIRST, "runnable")
        ledger.submit(session, SECOND, NOW)
        ledger.mark_failed(session, NoTranscript(SECOND, "processing", "soon"), NOW)
    assert due(engine, NOW) == []
    assert due(engine, NOW + timedelta(hours=1)) == [(SECOND, 2)]
    with transaction(engine) as session:
        ledger.mark_failed(session, NoTranscript(SECOND, "private"), NOW)
        ledger.request_videos(session, [FIRST, SECOND], "submitted", NOW)
    assert due(engine, NOW + timedelta(days=365)) == []
    with transaction(engine) as session:
        row = session.get_one(Video, SECOND)
        assert (row.state, row.attempts, row.next_attempt_at) == ("private", 2, None)


def test_a_look_requests_what_is_new_and_a_failed_one_moves_nothing(engine: Engine) -> None:
    url = "https://www.youtube.com/@SomeTrader/videos"
    with transaction(engine) as session:
        ledger.watch(session, url)
        ledger.store_poll(session, url, unseen([SECOND, FIRST], []), NOW)
        ledger.store_failed_poll(session, url, "HTTP Error 404", NOW)
        ledger.watch(session, url)
    assert due(engine, NOW) == [(FIRST, 1), (SECOND, 1)]
    with transaction(engine) as session:
        row = session.get_one(WatchedFeed, url)
        assert (row.cursor, row.polled_at, row.problem) == ([SECOND, FIRST], NOW, "HTTP Error 404")
        assert row.next_poll_at == NOW + timedelta(minutes=30)
        assert ledger.due_feeds(session, NOW + timedelta(minutes=29)) == []
        assert ledger.due_feeds(session, NOW + timedelta(minutes=30)) == [(url, (SECOND, FIRST))]


def test_no_video_is_asked_for_while_youtube_refuses_this_machine(engine: Engine) -> None:
    with transaction(engine) as session:
        ledger.request_videos(session, [FIRST, SECOND], "submitted", NOW)
        ledger.mark_failed(session, NoTranscript(FIRST, "rate_limited", "HTTP 429"), NOW)
    assert due(engine, NOW) == []
    assert due(engine, NOW + timedelta(minutes=59)) == []
    assert due(engine, NOW + timedelta(hours=1)) == [(SECOND, 1), (FIRST, 2)]


def test_videos_are_fetched_five_seconds_apart_and_thirty_an_hour(engine: Engine) -> None:
    ids = [f"aaaaaaaaa{n:02}" for n in range(40)]
    with transaction(engine) as session:
        ledger.request_videos(session, ids, "submitted", NOW)
        assert ledger.begin_attempt(session, ids[0], NOW) == 0
        assert ledger.begin_attempt(session, ids[1], NOW + timedelta(seconds=2)) == 3
        for video in ids[2:28]:
            ledger.begin_attempt(session, video, NOW + timedelta(minutes=5))
            ledger.mark_studied(session, video, "runnable")
        assert len(ledger.due_videos(session, NOW + timedelta(minutes=10))) == 2
        assert len(ledger.due_videos(session, NOW + timedelta(minutes=70))) == 5


def test_a_failed_video_that_is_submitted_again_starts_afresh(engine: Engine) -> None:
    with transaction(engine) as session:
        assert "fetched now" in ledger.submit(session, FIRST, NOW)
        for _ in range(5):
            ledger.mark_failed(session, NoTranscript(FIRST, "processing"), NOW)
        row = session.get_one(Video, FIRST)
        assert row.next_attempt_at is None
        assert "given up after 5 attempts" in str(row.next_step)
        assert "last time it was processing" in ledger.submit(session, FIRST, NOW)
        assert (row.attempts, row.next_attempt_at) == (0, NOW)
        ledger.mark_studied(session, FIRST, "not_mechanisable: no entry")
        assert "studied before" in ledger.submit(session, FIRST, NOW)


def test_a_premiere_waits_for_its_own_time(engine: Engine) -> None:
    shown = NOW + timedelta(days=9)
    with transaction(engine) as session:
        ledger.submit(session, FIRST, NOW)
        ledger.mark_failed(session, NoTranscript(FIRST, "premiere", not_before=shown), NOW)
        assert session.get_one(Video, FIRST).next_attempt_at == shown
