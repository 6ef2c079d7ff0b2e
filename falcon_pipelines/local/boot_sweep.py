"""What a node does once after every boot: end the runs that died with the last one, remove their temporary files.

`python -m falcon_pipelines.local.boot_sweep FOLDER`, where FOLDER is emptied by a reboot and by nothing else: the
time of the first sweep of this boot is kept there, so that a sweep which is tried again (because the database was
away) never ends a run that was started since.
"""

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.bars.files import sweep_temporary
from falcon_pipelines.errors import FalconError
from falcon_pipelines.local.orphans import fail_runs_from_before
from falcon_pipelines.services.logs import log_json_lines

log = logging.getLogger(__name__)

_STAMP = "since"


def boot_moment(folder: Path) -> datetime:
    """When this boot's first sweep began."""
    stamp = folder / _STAMP
    if not stamp.exists():
        stamp.touch()
    return datetime.fromtimestamp(stamp.stat().st_mtime, UTC)


def boot_sweep(folder: Path, market_data: Path, instance: dg.DagsterInstance) -> tuple[int, int]:
    """How many runs were ended, and how many temporary folders removed."""
    removed = sweep_temporary(market_data)
    return fail_runs_from_before(instance, boot_moment(folder)), removed


def main() -> None:
    """Sweep with this process's settings; an exit code other than 0 asks to be started again."""
    log_json_lines()
    try:
        with dg.DagsterInstance.get() as instance:
            ended, removed = boot_sweep(Path(sys.argv[1]), settings.load().market_data, instance)
    except FalconError as error:
        log.error("boot sweep: %s", error)
        sys.exit(error.exit_code)
    log.info("boot sweep: %d runs of the last boot ended, %d temporary folders removed", ended, removed)


if __name__ == "__main__":
    main()
