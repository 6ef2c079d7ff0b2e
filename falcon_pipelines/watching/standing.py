"""How an installation on nodes stands, as its database tells: services, the newest session, what was last proved.

Asked on any node; what is on the other nodes' disks is known from what they wrote into the database.
"""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from falcon_pipelines import __version__
from falcon_pipelines.db.engine import DatabaseUnavailable, database_engine, transaction
from falcon_pipelines.db.migrate import newest_revision
from falcon_pipelines.db.models import Heartbeat, ManifestEntry, Proof
from falcon_pipelines.db.proofs import overdue
from falcon_pipelines.errors import InputError
from falcon_pipelines.local.health import Check
from falcon_pipelines.settings import Settings
from falcon_pipelines.watching.disks import LOW_DISK_PERCENT, fullness

SILENT_AFTER = timedelta(minutes=2)
FORGOTTEN_AFTER = timedelta(days=7)
"""A service that was taken away is no problem for ever."""
CERTIFICATE_DAYS = 30
NODE_CERTIFICATE = Path("/etc/falcon/tls/node.crt")


class NotForgotten(InputError):
    """A node that is not silent, or that nothing was ever heard of."""


def forget_node(session: Session, node: str, now: datetime) -> list[str]:
    """Remove the last signs of life of a node that was taken out; gives its services. Raises NotForgotten."""
    beats = session.scalars(select(Heartbeat).where(Heartbeat.node == node)).all()
    if not beats:
        known = session.scalars(select(Heartbeat.node).distinct().order_by(Heartbeat.node))
        raise NotForgotten(f"nothing was heard of {node}; known: {', '.join(known) or 'none'}")
    if living := [b.service for b in beats if b.state != "stopping" and now - b.beat_at <= SILENT_AFTER]:
        raise NotForgotten(
            f"{', '.join(living)} on {node} was heard of less than {SILENT_AFTER.seconds // 60} min ago: stop it first"
        )
    session.execute(delete(Heartbeat).where(Heartbeat.node == node))
    return [beat.service for beat in beats]


def installation_health(settings: Settings, now: datetime) -> Iterator[Check]:
    """Every check, the database first; without it the others cannot be asked."""
    yield Check("version", ok=True, detail=__version__)
    if settings.database_url is not None:
        engine = database_engine(
            settings.database_url.get_secret_value(), statement_timeout_ms=5000, pool_size=1
        )
        try:
            with transaction(engine) as session:
                yield from list(_from_database(session, now))
        except (DatabaseUnavailable, SQLAlchemyError) as error:
            yield Check("database", ok=False, detail=str(error).splitlines()[0])
        finally:
            engine.dispose()
    yield _disk(settings.home)
    for node, disks in fullness(settings.watched_nodes):
        for disk in disks:
            yield Check(f"disk of {node}", not disk.low, str(disk))
    if NODE_CERTIFICATE.exists():
        yield certificate_check(NODE_CERTIFICATE, now)


def service_check(beat: Heartbeat, now: datetime) -> Check:
    """One service's last sign of life."""
    silent = now - beat.beat_at
    name = f"{beat.service} on {beat.node}"
    detail = f"{beat.version}, {beat.state} {_ago(silent)}" + (f": {beat.detail}" if beat.detail else "")
    return Check(name, silent <= SILENT_AFTER and beat.state == "ok", detail)


def proof_check(proof: Proof, now: datetime) -> Check:
    """What was last proved, how long it took, and when it was last good."""
    problem = overdue(proof, now)
    good = "never" if proof.last_good_at is None else _ago(now - proof.last_good_at)
    detail = problem or f"{proof.detail}, {proof.seconds:.1f} s"
    return Check(proof.name.replace("_", " "), problem is None, f"{detail}; last good {good}")


def certificate_check(path: Path, now: datetime) -> Check:
    """Days that are left of a certificate, as openssl reads it."""
    command = ["openssl", "x509", "-noout", "-enddate", "-in", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        return Check("certificate", ok=False, detail=f"{path} cannot be read")
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(done.stdout.strip().partition("=")[2]), UTC)
    days = (ends - now).days
    return Check("certificate", days >= CERTIFICATE_DAYS, f"{days} days left")


def _from_database(session: Session, now: datetime) -> Iterator[Check]:
    yield Check("database", ok=True, detail=f"answers; this program knows schema {newest_revision()}")
    beats = session.scalars(
        select(Heartbeat)
        .where(Heartbeat.beat_at > now - FORGOTTEN_AFTER)
        .order_by(Heartbeat.node, Heartbeat.service)
    )
    for beat in beats:
        yield service_check(beat, now)
    newest = session.scalar(select(func.max(ManifestEntry.session)).where(ManifestEntry.frequency == "day"))
    yield Check("newest session", ok=True, detail="no day bars yet" if newest is None else newest.isoformat())
    for proof in session.scalars(select(Proof).order_by(Proof.name)):
        yield proof_check(proof, now)


def _disk(home: Path) -> Check:
    usage = shutil.disk_usage(home if home.exists() else "/")
    percent = 100 * usage.free / usage.total
    return Check(
        "disk", percent >= LOW_DISK_PERCENT, f"{usage.free / 2**30:.0f} GiB free ({percent:.0f} %) at {home}"
    )


def _ago(span: timedelta) -> str:
    seconds = max(0, span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
