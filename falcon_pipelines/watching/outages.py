"""Tells people when something is gone, once for each outage, and again when it is back.

`python -m falcon_pipelines.watching.outages` looks once, and is started by a timer on the web node. It needs neither
Dagster nor the database: what it remembers is a file, and the addresses it tells are FALCON_NOTIFY_URLS.
"""

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from falcon_pipelines import settings as settings_module
from falcon_pipelines.db.engine import DatabaseUnavailable, database_engine, transaction
from falcon_pipelines.db.models import Proof
from falcon_pipelines.db.proofs import overdue
from falcon_pipelines.errors import FalconError
from falcon_pipelines.services.logs import log_json_lines
from falcon_pipelines.settings import Settings
from falcon_pipelines.trading.live.outbox import receivers_of
from falcon_pipelines.watching.disks import fullness
from falcon_pipelines.watching.remembered import LOOKS_BEFORE_TELLING, Outage, remember, remembered

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0
STATEMENT_MS = 3000
DATABASE = "database"


@dataclass(frozen=True)
class Look:
    """What one look at something found; `problem` is None when it is well."""

    subject: str
    problem: str | None


@dataclass(frozen=True)
class Message:
    """What people are told."""

    title: str
    body: str


def judge(
    known: Mapping[str, Outage], looks: Iterable[Look], now: datetime
) -> tuple[dict[str, Outage], list[tuple[str, Message]]]:
    """The outages after these looks, and what to tell of which subject; a subject not looked at stays as it was."""
    outages, messages = dict(known), []
    for look in looks:
        outage = outages.get(look.subject)
        if look.problem is None:
            if outage is None:
                continue
            if outage.told:
                since = datetime.fromisoformat(outage.since)
                minutes = max(1, round((now - since).total_seconds() / 60))
                body = f"It was not well for {minutes} min, since {since:%Y-%m-%d %H:%M} UTC."
                messages.append((look.subject, Message(f"Falcon: {look.subject} is back", body)))
            else:
                del outages[look.subject]
            continue
        if outage is None:
            outage = Outage(now.isoformat(), look.problem)
        else:
            outage = replace(outage, problem=look.problem, looks=outage.looks + 1)
        outages[look.subject] = outage
        if outage.looks >= LOOKS_BEFORE_TELLING and not outage.told:
            body = f"{look.problem} (since {datetime.fromisoformat(outage.since):%Y-%m-%d %H:%M} UTC)"
            messages.append((look.subject, Message(f"Falcon: {look.subject} is not well", body)))
    return outages, messages


def after_telling(
    outages: Mapping[str, Outage], looks: Iterable[Look], told: Iterable[str]
) -> dict[str, Outage]:
    """The outages to remember once these subjects were told of; what nobody took is told again next time."""
    well = {look.subject for look in looks if look.problem is None}
    kept = dict(outages)
    for subject in told:
        if subject in well:
            del kept[subject]
        else:
            kept[subject] = replace(kept[subject], told=True)
    return kept


def door(host: str, port: int) -> str | None:
    """Why nothing answers at an address; None when something takes the connection."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS):
            return None
    except OSError as error:
        return f"{host}:{port} does not answer: {error.strerror or error}"


def look_around(settings: Settings, doors: Mapping[str, tuple[str, int]], now: datetime) -> list[Look]:
    """Every door by name, the nodes' disks, the database, and where it answers what it says was last proved."""
    looks = [Look(name, door(host, port)) for name, (host, port) in doors.items()]
    for node, disks in fullness(settings.watched_nodes):
        low = [str(disk) for disk in disks if disk.low]
        looks.append(Look(f"the disk of {node}", "; ".join(low) or None))
    if settings.database_url is None:
        return looks
    engine = database_engine(
        settings.database_url.get_secret_value(), statement_timeout_ms=STATEMENT_MS, pool_size=1
    )
    try:
        with transaction(engine) as session:
            proofs = list(session.scalars(select(Proof).order_by(Proof.name)))
            looks += [Look(proof.name.replace("_", " "), overdue(proof, now)) for proof in proofs]
        looks.append(Look(DATABASE, None))
    except DatabaseUnavailable as error:
        looks.append(Look(DATABASE, str(error)))
    except SQLAlchemyError as error:
        looks.append(Look(DATABASE, f"it answers, but not as it should: {type(error).__name__}"))
    finally:
        engine.dispose()
    return looks


def doors_from(text: str) -> dict[str, tuple[str, int]]:
    """`compute=10.0.0.2:4265 ...` as addresses by name."""
    found = {}
    for part in text.split():
        name, _, address = part.partition("=")
        host, _, port = address.rpartition(":")
        found[name] = host, int(port)
    return found


def watch(path: Path, looks: list[Look], tell: Callable[[Message], bool], now: datetime) -> None:
    """One round: judge, tell, remember in `path`."""
    outages, messages = judge(remembered(path), looks, now)
    told = [subject for subject, message in messages if tell(message)]
    remember(path, after_telling(outages, looks, told))


def main() -> int:
    """Look once, with the doors of FALCON_WATCH_DOORS, and remember in $STATE_DIRECTORY."""
    log_json_lines()
    try:
        settings = settings_module.load()
        receivers = receivers_of(settings.notify_urls)
    except FalconError as error:
        log.error("%s", error)
        return error.exit_code

    def tell(message: Message) -> bool:
        log.warning("%s: %s", message.title, message.body)
        if not receivers:
            log.warning("nobody is told: FALCON_NOTIFY_URLS is not set on this node")
            return True
        taken = [receiver.send(message.title, message.body) for receiver in receivers]
        return any(taken)

    now = datetime.now(UTC)
    looks = look_around(settings, doors_from(os.environ.get("FALCON_WATCH_DOORS", "")), now)
    watch(Path(os.environ.get("STATE_DIRECTORY", ".")) / "outages.json", looks, tell, now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
