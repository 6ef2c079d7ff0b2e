"""Sees on compute whether the canary comes through, and says when the code server must be restarted.

`python -m falcon_pipelines.watching.watchdog` looks once, and is started by a timer. When something is dead that a
restart heals it leaves the file `heal` in its folder and exits with HEAL; systemd then starts the unit that restarts, with
rights that this program does not have.
It also carries into the database what the backups left word of.
"""

import json
import logging
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from falcon_pipelines import settings as settings_module
from falcon_pipelines.db.engine import DatabaseUnavailable, database_engine, transaction
from falcon_pipelines.db.models import Proof
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.db.proofs import CANARY, record_proof
from falcon_pipelines.errors import FalconError
from falcon_pipelines.services.logs import log_json_lines

log = logging.getLogger(__name__)

HEAL = 75
SILENT_FOR = timedelta(minutes=12)
"""Two canaries and their time on the road; a shorter silence may be a deploy."""
BETWEEN_RESTARTS = timedelta(minutes=15)
WAITS_AT_MOST = timedelta(hours=4)
"""How long a canary may wait behind running work: the longest run there may be."""
_DAGSTER_URL = "FALCON_DAGSTER_DATABASE_URL"


@dataclass(frozen=True)
class Sight:
    """What one look found. `up_since` is when the database came back or this node booted, whichever is later."""

    now: datetime
    came_through_at: datetime | None
    up_since: datetime
    healed_at: datetime | None
    waits_since: datetime | None
    """When the canary that is queued now was asked for."""
    running: int
    """Runs other than the canary that are under way."""


def reason_to_heal(sight: Sight) -> str | None:
    """Why the code server has to be restarted; None while there is hope or nothing to do."""
    last = max(moment for moment in (sight.came_through_at, sight.up_since, sight.healed_at) if moment)
    silent = sight.now - last
    if silent <= SILENT_FOR:
        return None
    if sight.healed_at is not None and sight.now - sight.healed_at < BETWEEN_RESTARTS:
        return None
    if sight.waits_since is not None and sight.running and sight.now - sight.waits_since < WAITS_AT_MOST:
        return None
    return f"no canary came through for {silent.total_seconds() / 60:.0f} min though the database answers"


def carry_words(engine: Engine, folder: Path) -> None:
    """Bring the words that backups left in files into the database; raises DatabaseUnavailable."""
    for path in sorted(folder.glob("*.json")):
        try:
            word = json.loads(path.read_text())
            name, detail = str(word["name"]), str(word["detail"])
            seconds, proved_at = float(word["seconds"]), datetime.fromisoformat(word["at"])
            ok = bool(word["ok"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be read: %s", path, error)
            continue
        with transaction(engine) as session:
            record_proof(session, name, ok=ok, detail=detail, seconds=seconds, proved_at=proved_at)


def came_through_at(engine: Engine) -> datetime | None:
    """When the canary last came through; raises DatabaseUnavailable."""
    with transaction(engine) as session:
        proof = session.get(Proof, CANARY)
        return None if proof is None else proof.proved_at


def runs_under_way(dagster: Engine) -> tuple[datetime | None, int]:
    """When the canary that is queued was asked for, and how many other runs work; raises SQLAlchemyError.

    Dagster's own library would cost seconds of a small machine's processor every minute.
    """
    with dagster.connect() as connection:
        waits = connection.scalar(
            text(
                "SELECT min(create_timestamp) FROM runs WHERE pipeline_name = :name "
                "AND status IN ('QUEUED', 'NOT_STARTED')"
            ),
            {"name": CANARY},
        )
        running = connection.scalar(
            text(
                "SELECT count(*) FROM runs WHERE pipeline_name <> :name "
                "AND status IN ('STARTING', 'STARTED', 'CANCELING')"
            ),
            {"name": CANARY},
        )
    return None if waits is None else waits.replace(tzinfo=UTC), int(running or 0)


class Memory:
    """What is known from one look to the next, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._held: dict[str, str] = dict(json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            self._held = {}

    def moment(self, name: str) -> datetime | None:
        """A remembered time."""
        held = self._held.get(name)
        return None if held is None else datetime.fromisoformat(held)

    def keep(self, name: str, moment: datetime | None) -> None:
        """Remember, or with None forget."""
        if moment is None:
            self._held.pop(name, None)
        else:
            self._held[name] = moment.isoformat()
        part = self._path.with_suffix(".new")
        part.write_text(json.dumps(self._held))
        part.replace(self._path)


def booted_at(now: datetime) -> datetime:
    """When this machine started."""
    # /proc/uptime is out of a hardened service's sight.
    return now - timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))


def look(engine: Engine, dagster: Engine, memory: Memory, words: Path, now: datetime) -> int:
    """One look: 0 when there is nothing to do, HEAL when the code server must be restarted."""
    try:
        carry_words(engine, words)
        arrived = came_through_at(engine)
        waits_since, running = runs_under_way(dagster)
    except (DatabaseUnavailable, SQLAlchemyError) as error:
        memory.keep("database_gone", now)
        log.warning(
            "nothing can be said, the database does not answer as it should: %s", str(error).splitlines()[0]
        )
        return 0
    up_since = max(booted_at(now), memory.moment("database_gone") or booted_at(now))
    if memory.moment("first_look") is None:
        memory.keep("first_look", now)
    up_since = max(up_since, memory.moment("first_look") or now)
    reason = reason_to_heal(Sight(now, arrived, up_since, memory.moment("healed_at"), waits_since, running))
    if reason is None:
        return 0
    memory.keep("healed_at", now)
    log.warning("the code server is restarted: %s", reason)
    with transaction(engine) as session:
        since = (arrived or up_since).isoformat()
        notify(
            session,
            f"canary:{since}",
            "canary",
            "Dagster did not answer; its code server is restarted",
            reason,
        )
    return HEAL


def main() -> int:
    """Look once; files are in $STATE_DIRECTORY and FALCON_BACKUP_WORDS."""
    log_json_lines()
    try:
        settings = settings_module.load()
        if settings.database_url is None or _DAGSTER_URL not in os.environ:
            log.error("FALCON_DATABASE_URL and %s must be set", _DAGSTER_URL)
            return 2
        engine = database_engine(
            settings.database_url.get_secret_value(), statement_timeout_ms=10_000, pool_size=1
        )
        dagster = database_engine(os.environ[_DAGSTER_URL], statement_timeout_ms=10_000, pool_size=1)
        folder = Path(os.environ.get("STATE_DIRECTORY", "."))
        memory = Memory(folder / "watchdog.json")
        words = Path(os.environ.get("FALCON_BACKUP_WORDS", "/var/lib/falcon-backup"))
        verdict = look(engine, dagster, memory, words, datetime.now(UTC))
        if verdict == HEAL:
            (folder / "heal").touch()
        return verdict
    except FalconError as error:
        log.error("%s", error)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
