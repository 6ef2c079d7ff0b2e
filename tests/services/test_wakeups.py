"""A reader is woken by the tables it watches, and finds its way back after an outage."""

import threading
import time
from datetime import UTC, datetime

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.heartbeats import beat
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.services.wakeups import Wakeups
from tests.services.outage import outage


def _beat_soon(url: str) -> threading.Thread:
    def work() -> None:
        time.sleep(0.2)
        engine = database_engine(url)
        with transaction(engine) as session:
            notify(session, "n", "fill", "not what is waited for")
        with transaction(engine) as session:
            beat(session, "s", started_at=datetime.now(UTC))
        engine.dispose()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_change_of_a_watched_table_wakes(database_url: str) -> None:
    wakeups = Wakeups(database_engine(database_url), ["heartbeats"])
    assert wakeups.wait(0)  # the new connection
    assert not wakeups.wait(0)
    writer = _beat_soon(database_url)
    assert wakeups.wait(20)
    writer.join()
    assert not wakeups.wait(0.2)
    wakeups.close()


def test_after_an_outage_a_change_may_have_been_missed(database_url: str) -> None:
    wakeups = Wakeups(database_engine(database_url), ["heartbeats"])
    assert wakeups.wait(0)
    with outage(database_url):
        assert not wakeups.wait(0.3)
    assert wakeups.wait(20)
    wakeups.close()


def test_a_stop_ends_the_wait(database_url: str) -> None:
    wakeups = Wakeups(database_engine(database_url), ["heartbeats"])
    assert wakeups.wait(0)
    stopping = threading.Event()
    stopping.set()
    assert not wakeups.wait(600, stopping)
    wakeups.close()
