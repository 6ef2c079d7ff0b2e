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
        ledger.mark_fetched(session, FIRST)
        ledger.mark_failed(session, NoTranscript(SECOND, "rate_limited", "HTTP 429"), NOW)
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
        ledger.store_failed_poll(session, url, "HTTP Error 404")
        ledger.watch(session, url)
    assert due(engine, NOW) == [(FIRST, 1), (SECOND, 1)]
    with transaction(engine) as session:
        row = session.get_one(WatchedFeed, url)
        assert (row.cursor, row.polled_at, row.problem) == ([SECOND, FIRST], NOW, "HTTP Error 404")
