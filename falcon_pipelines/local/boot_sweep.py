"""What a node does once after every boot: end the runs that died with the last one, remove their temporary files.

`python -m falcon_pipelines.local.boot_sweep FOLDER`, where FOLDER is emptied by a reboot and by nothing else: the
time of the first sweep of this boot is kept there, so that a sweep which is tried again (because the database was
away) never ends a run that was started since.

Dagster's daemon runs a failed run once more at the moment it learns of the failure, or never: while the code server is
still starting, never. So the daemon must be at work again before a run is said to have failed.
"""

import logging
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from sqlalchemy import Engine

from falcon_pipelines import settings
from falcon_pipelines.bars.files import sweep_temporary
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.heartbeats import SENSORS
from falcon_pipelines.db.models import Heartbeat
from falcon_pipelines.errors import FalconError, InputError
from falcon_pipelines.local.orphans import fail_runs_from_before, runs_from_before
from falcon_pipelines.services import systemd
from falcon_pipelines.services.logs import log_json_lines

log = logging.getLogger(__name__)

DAEMON_SECONDS = 180.0
"""So long the daemon is waited for; then its runs fail all the same, and are not run again by themselves."""
_LOOK_SECONDS = 1.0
_STAMP = "since"


class NoDatabase(InputError):
    """A node without a database to ask."""


def boot_moment(folder: Path) -> datetime:
    """When this boot's first sweep began."""
    stamp = folder / _STAMP
    if not stamp.exists():
        stamp.touch()
    return datetime.fromtimestamp(stamp.stat().st_mtime, UTC)


def daemon_works(engine: Engine, since: datetime) -> bool:
    """Whether the daemon evaluated a sensor in this node's code server since; raises DatabaseUnavailable."""
    with transaction(engine) as session:
        beat = session.get(Heartbeat, (SENSORS, platform.node()))
        return beat is not None and beat.beat_at > since


def end_torn_runs(
    instance: dg.DagsterInstance, since: datetime, works: Callable[[], bool], seconds: float = DAEMON_SECONDS
) -> int:
    """Fail this node's runs of before `since`, once the daemon `works` or after `seconds`; returns how many."""
    deadline = time.monotonic() + seconds
    while runs_from_before(instance, since, platform.node()):
        if works() or time.monotonic() > deadline:
            return fail_runs_from_before(instance, since, platform.node())
        time.sleep(_LOOK_SECONDS)
    return 0


def main() -> None:
    """Sweep with this process's settings; an exit code other than 0 asks to be started again."""
    log_json_lines()
    since = boot_moment(Path(sys.argv[1]))
    found = settings.load()
    try:
        removed = sweep_temporary(found.market_data)
        # What was started before is told from what comes by the moment that is kept now.
        systemd.tell("READY=1")
        if found.database_url is None:
            raise NoDatabase("FALCON_DATABASE_URL is not set: a sweep is for nodes of a site with a database")
        engine = database_engine(found.database_url.get_secret_value(), pool_size=1)
        with dg.DagsterInstance.get() as instance:
            ended = end_torn_runs(instance, since, lambda: daemon_works(engine, since))
    except FalconError as error:
        log.error("boot sweep: %s", error)
        sys.exit(error.exit_code)
    log.info("boot sweep: %d runs of the last boot ended, %d temporary folders removed", ended, removed)


if __name__ == "__main__":
    main()
