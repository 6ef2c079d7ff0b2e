"""Signs of life: what services write every few seconds, and what pages and monitors read."""

import platform
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines import __version__
from falcon_pipelines.db.models import Heartbeat

SENSORS = "dagster-sensors"
"""Beats with a sensor, and so only while daemon, code server and database work together."""


def beat(
    session: Session,
    service: str,
    started_at: datetime,
    state: Literal["ok", "degraded", "stopping"] = "ok",
    detail: str | None = None,
    *,
    node: str | None = None,
) -> None:
    """Say that `service` is alive on this node (its host name, unless `node` says otherwise)."""
    row = {
        "version": __version__,
        "state": state,
        "detail": detail,
        "started_at": started_at,
        "beat_at": datetime.now(UTC),
    }
    statement = insert(Heartbeat).values(service=service, node=node or platform.node(), **row)
    session.execute(statement.on_conflict_do_update(index_elements=["service", "node"], set_=row))
