"""Requests are asked for once, taken by one, and answered once."""

from datetime import UTC, datetime

import pytest

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.heartbeats import beat
from falcon_pipelines.db.models import Heartbeat, Notification, Request
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.db.requests import InvalidRequest, answer, ask, waiting


def test_the_same_press_asks_once(database_url: str) -> None:
    with transaction(database_engine(database_url)) as session:
        first = ask(session, "study_video", {"url": "https://youtu.be/x"}, "ann", key="k")
        again = ask(session, "study_video", {"url": "https://youtu.be/x"}, "ann", key="k")
        without_key = ask(session, "study_video", {"url": "https://youtu.be/x"}, "ann")
        assert (first, again, without_key) == (True, False, True)
        assert len(waiting(session, ["study_video"])) == 2


def test_two_takers_never_share_a_request_and_the_first_answer_stays(database_url: str) -> None:
    engine = database_engine(database_url)
    with transaction(engine) as session:
        ask(session, "run_screen", {"profile": "mean_reversion"}, "ann")
    with transaction(engine) as one, transaction(engine) as two:
        taken = waiting(one, ["run_screen"])
        (number,) = [request.id for request in taken]
        assert waiting(two, ["run_screen"]) == []
        answer(one, number, "done", "10 picks")
        answer(one, number, "refused", "too late")
    with transaction(engine) as session:
        assert session.get_one(Request, number).answer == "10 picks"


@pytest.mark.parametrize(
    ("kind", "payload", "names"),
    [
        ("format_disk", {}, "format_disk"),
        ("study_video", {}, "url"),
        ("run_screen", {"profile": "Robert'); DROP TABLE"}, "profile"),
        ("delete_profile", {"name": "x", "force": True}, "force"),
    ],
)
def test_an_unknown_or_incomplete_request_is_refused_by_name(
    database_url: str, kind: str, payload: dict[str, object], names: str
) -> None:
    with transaction(database_engine(database_url)) as session, pytest.raises(InvalidRequest, match=names):
        ask(session, kind, payload, "ann")


def test_an_event_is_notified_of_once(database_url: str) -> None:
    with transaction(database_engine(database_url)) as session:
        assert notify(session, "fill:1", "fill", "Bought 100 SPY")
        assert not notify(session, "fill:1", "fill", "Bought 100 SPY")
        assert session.query(Notification).count() == 1


def test_a_later_heartbeat_replaces_the_earlier(database_url: str) -> None:
    with transaction(database_engine(database_url)) as session:
        started = datetime.now(UTC)
        beat(session, "trader", started, node="a")
        beat(session, "trader", started, "degraded", "no bars for 90 s", node="a")
        rows = session.query(Heartbeat).all()
        assert [(row.state, row.detail) for row in rows] == [("degraded", "no bars for 90 s")]
