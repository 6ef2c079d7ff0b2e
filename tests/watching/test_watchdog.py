"""The code server is restarted when canaries stop coming though the database answers, and only then."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import select

from falcon_pipelines.canary import canary, canary_to_ask_for
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import Notification, Proof
from falcon_pipelines.resources.database import Database
from falcon_pipelines.watching.watchdog import HEAL, Memory, Sight, booted_at, look, reason_to_heal

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


SILENT = Sight(
    now=NOW, came_through_at=ago(14), up_since=ago(600), healed_at=None, waits_since=None, running=0
)


def test_silence_is_healed() -> None:
    assert reason_to_heal(SILENT) == "no canary came through for 14 min though the database answers"
    assert reason_to_heal(replace(SILENT, came_through_at=None)) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"came_through_at": ago(6)},
        {"up_since": ago(5)},
        {"healed_at": ago(10)},
        {"waits_since": ago(13), "running": 2},
    ],
    ids=["came through", "database was away until now", "was healed just now", "waits behind other runs"],
)
def test_nothing_is_restarted_while_there_is_hope(change: dict[str, object]) -> None:
    assert reason_to_heal(replace(SILENT, **change)) is None


def test_waiting_behind_nothing_or_for_ever_is_no_excuse() -> None:
    assert reason_to_heal(replace(SILENT, waits_since=ago(13))) is not None
    stuck = replace(SILENT, came_through_at=ago(300), waits_since=ago(290), running=2)
    assert reason_to_heal(stuck) is not None


def test_a_canary_that_sang_is_seen_and_its_silence_noticed(
    dagster_instance: dg.DagsterInstance, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALCON_DATABASE_URL", database_url)
    done = canary.execute_in_process(instance=dagster_instance, resources={"database": Database()})
    assert done.success
    engine = database_engine(database_url)
    dagster = database_engine(dagster_instance.event_log_storage.postgres_url)
    (tmp_path / "words").mkdir()
    word = {"name": "backup", "ok": False, "detail": "ERROR: [082]", "seconds": 60, "at": NOW.isoformat()}
    (tmp_path / "words" / "backup.json").write_text(json.dumps(word))
    (tmp_path / "words" / "torn.json").write_text("{")
    memory, words = Memory(tmp_path / "memory.json"), tmp_path / "words"

    now = datetime.now(UTC)
    memory.keep("first_look", now - timedelta(days=1))
    assert look(engine, dagster, memory, words, now) == 0
    later = now + timedelta(minutes=20)
    monkeypatch.setattr("falcon_pipelines.watching.watchdog.booted_at", lambda _now: now)
    assert look(engine, dagster, memory, words, later) == HEAL
    assert look(engine, dagster, memory, words, later + timedelta(minutes=1)) == 0
    with transaction(engine) as session:
        backup = session.get(Proof, "backup")
        assert backup is not None
        assert (backup.ok, backup.detail) == (False, "ERROR: [082]")
        assert session.scalars(select(Notification.kind)).all() == ["canary"]
    engine.dispose()
    dagster.dispose()


def test_the_time_of_boot_lies_in_the_past() -> None:
    now = datetime.now(UTC)
    assert booted_at(now) < now


def test_canaries_do_not_queue_up_and_are_off_unless_asked_for() -> None:
    assert canary_to_ask_for(True, 0) is None
    assert canary_to_ask_for(True, 1) == "the one before has not come through yet"
    assert canary_to_ask_for(False, 0) == "FALCON_CANARY is off"
