"""`falcon status` on nodes says what is wrong, and only that makes it fail."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from falcon_pipelines import settings
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.heartbeats import beat
from falcon_pipelines.db.models import Heartbeat
from falcon_pipelines.db.proofs import record_proof
from falcon_pipelines.watching.standing import SILENT_AFTER, installation_health
from tests.commandline import falcon


def test_services_and_proofs_are_shown_with_their_age(database_url: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    engine = database_engine(database_url)
    with transaction(engine) as session:
        beat(session, "falcon-trader", now, node="compute")
        beat(session, "dagster-sensors", now, "degraded", "without a heartbeat: SENSOR", node="compute")
        for name, hours in (("backup", 50), ("restore_drill", 24)):
            at = now - timedelta(hours=hours)
            record_proof(session, name, ok=True, detail="full backup", seconds=2.8, proved_at=at)
    engine.dispose()
    configured = settings.changed(settings.load(), {"database_url": database_url, "home": tmp_path})
    checks = {check.name: check for check in installation_health(configured, now)}
    assert checks["falcon-trader on compute"].ok
    assert not checks["dagster-sensors on compute"].ok
    assert "without a heartbeat: SENSOR" in checks["dagster-sensors on compute"].detail
    assert not checks["backup"].ok
    assert "last good 2 d ago" in checks["backup"].detail
    assert checks["restore drill"].ok
    assert checks["newest session"].detail == "no day bars yet"


def test_a_node_that_was_taken_out_is_forgotten_once_it_is_silent(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FALCON_DATABASE_URL", database_url)
    monkeypatch.setenv("FALCON_HOME", str(tmp_path))
    now = datetime.now(UTC)
    engine = database_engine(database_url)
    with transaction(engine) as session:
        beat(session, "falcon-runs", now, node="compute2")
        beat(session, "falcon-trader", now, node="compute")
    for node, words in (("compute2", "falcon-runs on compute2 was heard of"), ("compute3", "known: compute")):
        said = falcon(monkeypatch, capsys, "forget", node)
        assert said.code == 2
        assert words in said.err
    with transaction(engine) as session:
        session.execute(
            update(Heartbeat)
            .where(Heartbeat.node == "compute2")
            .values(beat_at=now - SILENT_AFTER - timedelta(seconds=1))
        )
        beat(session, "falcon-runs", now, "stopping", node="compute4")
    assert falcon(monkeypatch, capsys, "forget", "compute2").code == 0
    assert falcon(monkeypatch, capsys, "forget", "compute4").code == 0
    with transaction(engine) as session:
        assert session.scalars(select(Heartbeat.node)).all() == ["compute"]
    engine.dispose()


def test_a_database_that_is_gone_is_the_one_problem(tmp_path: Path) -> None:
    gone = "postgresql+psycopg2://nobody@127.0.0.1:1/falcon"
    configured = settings.changed(settings.load(), {"database_url": gone, "home": tmp_path})
    bad = [check for check in installation_health(configured, datetime.now(UTC)) if not check.ok]
    assert [check.name for check in bad] == ["database"]
