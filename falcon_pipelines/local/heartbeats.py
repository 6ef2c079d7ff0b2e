"""The heartbeats of the services that this machine's supervisor runs and that do not write their own."""

import logging
from collections.abc import Sequence

from falcon_pipelines.db.engine import DatabaseUnavailable, database_engine, transaction
from falcon_pipelines.db.heartbeats import beat
from falcon_pipelines.local.supervisor import ServiceState

logger = logging.getLogger(__name__)
STATEMENT_TIMEOUT_MS = 2000


class Heartbeats:
    """Writes the services' states; while the database is down it only says so, once."""

    def __init__(self, database_url: str) -> None:
        self._engine = database_engine(database_url, statement_timeout_ms=STATEMENT_TIMEOUT_MS, pool_size=1)
        self._silent = False

    def __call__(self, states: Sequence[ServiceState]) -> None:
        try:
            with transaction(self._engine) as session:
                for state in states:
                    if state.running and not state.beats:
                        beat(session, state.name, state.started_at, "ok", _restarts(state))
            self._silent = False
        except DatabaseUnavailable as error:
            if not self._silent:
                logger.warning("no heartbeats for now: %s", error)
            self._silent = True


def _restarts(state: ServiceState) -> str | None:
    if not state.failures:
        return None
    return f"restarted {state.failures} time{'s' if state.failures != 1 else ''}"
