"""People hear of an outage once, and of its end; never of a blink."""

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from falcon_pipelines import settings
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.proofs import record_proof
from falcon_pipelines.watching.outages import Look, Message, door, doors_from, look_around, watch

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
GONE = Look("compute", "10.0.0.2:4265 does not answer")
BACK = Look("compute", None)


class People:
    """Hear everything, or nothing while `deaf`."""

    def __init__(self, path: Path) -> None:
        self.path, self.heard, self.deaf, self._minute = path, [], False, 0

    def __call__(self, message: Message) -> bool:
        if self.deaf:
            return False
        self.heard.append(message.title)
        return True

    def after(self, *looks: Look) -> list[str]:
        for look in looks:
            watch(self.path, [look], self, START + timedelta(minutes=self._minute))
            self._minute += 1
        heard, self.heard = self.heard, []
        return heard


def test_an_outage_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    people = People(tmp_path / "outages.json")
    assert people.after(GONE, GONE, GONE, GONE) == ["Falcon: compute is not well"]
    assert people.after(BACK, BACK) == ["Falcon: compute is back"]
    assert people.after(GONE, GONE) == ["Falcon: compute is not well"]


def test_a_blink_is_not_told(tmp_path: Path) -> None:
    assert People(tmp_path / "outages.json").after(GONE, BACK, GONE, BACK) == []


def test_what_nobody_took_is_told_again(tmp_path: Path) -> None:
    people = People(tmp_path / "outages.json")
    people.deaf = True
    assert people.after(GONE, GONE, GONE) == []
    people.deaf = False
    assert people.after(GONE, GONE) == ["Falcon: compute is not well"]
    people.deaf = True
    assert people.after(BACK) == []
    people.deaf = False
    assert people.after(BACK, BACK) == ["Falcon: compute is back"]


def test_a_broken_memory_is_started_anew(tmp_path: Path) -> None:
    path = tmp_path / "outages.json"
    path.write_text("{broken")
    assert People(path).after(GONE, GONE) == ["Falcon: compute is not well"]
    assert json.loads(path.read_text())["compute"]["told"]


def test_a_door_is_well_while_something_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert door("127.0.0.1", port) is None
    assert f"127.0.0.1:{port} does not answer" in (door("127.0.0.1", port) or "")
    assert doors_from("compute=10.0.0.2:4265") == {"compute": ("10.0.0.2", 4265)}


def test_the_database_tells_which_proofs_are_overdue(database_url: str) -> None:
    engine = database_engine(database_url)
    with transaction(engine) as session:
        for name, ok, age in (("canary", True, 30), ("backup", True, 60), ("restore_drill", False, 5)):
            at = START - timedelta(minutes=age)
            record_proof(session, name, ok=ok, detail="rows are missing", seconds=2, proved_at=at)
    engine.dispose()
    configured = settings.changed(settings.load(), {"database_url": database_url})
    looks = {look.subject: look.problem for look in look_around(configured, {}, START)}
    assert looks["database"] is None
    assert looks["backup"] is None
    assert looks["canary"] == "none since 2026-11-23 14:30 UTC, due every 20 minutes"
    assert looks["restore drill"] == "failed: rows are missing"


def test_a_database_that_is_gone_is_an_outage() -> None:
    gone = "postgresql+psycopg2://nobody@127.0.0.1:1/falcon"
    configured = settings.changed(settings.load(), {"database_url": gone})
    (look,) = look_around(configured, {}, START)
    assert look.subject == "database"
    assert "127.0.0.1:1/falcon is not available" in (look.problem or "")
