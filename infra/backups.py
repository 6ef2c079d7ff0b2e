"""Backups from the operator's side: making the repository, taking a backup, and what is held."""

import json
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from infra import layout, ssh
from infra.errors import DeployError, StepFailed
from infra.nodes.backup import keeper
from infra.site import Site

STANZA = "falcon"
BACKUP_SECONDS = 6 * 3600
Kind = Literal["full", "diff", "incr"]


class NoBackup(DeployError):
    """There is no backup for what is asked."""


@dataclass(frozen=True)
class Backup:
    """One backup in the repository."""

    label: str
    kind: str
    started_at: datetime
    stopped_at: datetime
    database_bytes: int
    repository_bytes: int
    """What it added to the repository."""


@dataclass(frozen=True)
class Holdings:
    """All backups, oldest first, and what is wrong with the repository."""

    backups: tuple[Backup, ...]
    problem: str | None

    @property
    def newest(self) -> Backup | None:
        """The last one taken."""
        return self.backups[-1] if self.backups else None

    def require(self, to: datetime | None, now: datetime) -> None:
        """Raises NoBackup unless the backups lead to this moment (None: the newest)."""
        if not self.backups:
            raise NoBackup(f"there is no backup: {self.problem or 'none was taken'}")
        if to is None:
            return
        first = self.backups[0].stopped_at
        if to < first:
            raise NoBackup(f"{to.isoformat()} is before the oldest backup, which ended {first.isoformat()}")
        if to > now:
            raise NoBackup(f"{to.isoformat()} is in the future; say `latest` for the newest there is")


def holdings_from(text: str) -> Holdings:
    """Read what `pgbackrest info --output=json` says."""
    stanzas = json.loads(text or "[]")
    found = next((stanza for stanza in stanzas if stanza["name"] == STANZA), None)
    if found is None:
        return Holdings((), "no repository was made yet; run setup")
    status = found["status"]
    backups = tuple(
        Backup(
            label=one["label"],
            kind=one["type"],
            started_at=datetime.fromtimestamp(one["timestamp"]["start"], UTC),
            stopped_at=datetime.fromtimestamp(one["timestamp"]["stop"], UTC),
            database_bytes=one["info"]["size"],
            repository_bytes=one["info"]["repository"]["delta"],
        )
        for one in found["backup"]
        if not one.get("error")
    )
    return Holdings(backups, None if status["code"] == 0 else status["message"])


def holdings(site: Site) -> Holdings:
    """Ask the node that keeps them; raises StepFailed."""
    return holdings_from(_pgbackrest(site, "--output=json info", "ask for the backups"))


def ensure(site: Site) -> bool:
    """The repository is made for this database, its log arrives there, and one backup at least is held.

    Whether anything had to be done. Raises StepFailed; a database that is not the one of the backups is refused.
    """
    held = holdings(site)
    changed = False
    if held.problem == "no repository was made yet; run setup" or "missing" in (held.problem or ""):
        _pgbackrest(site, "stanza-create", "make the repository of the backups")
        changed = True
    if held.newest is None:
        take(site, "full")
        return True
    if _is_another_database(site):
        raise DeployError(
            f"{keeper(site)}: the backups are of another database than the one on {site.with_role('db')[0]}, "
            "which is new: bring the data back with `restore --to latest`"
        )
    return changed


def take(site: Site, kind: Kind) -> Backup:
    """Take a backup now, wait for it, and prove that the log of it is there; raises StepFailed saying why not."""
    node = keeper(site)
    command = f"sudo -u postgres FALCON_BACKUP_STATE=/var/lib/falcon-backup {layout.PROGRAMS}/falcon-backup backup {kind}"
    prepare = "sudo install -d -o postgres -g postgres -m 755 /var/lib/falcon-backup"
    done = ssh.ask(site, node, f"{prepare} && cd / && {command}", timeout=BACKUP_SECONDS)
    if done.returncode != 0:
        raise StepFailed(f"{node}: {kind} backup: {reason(done.stdout + done.stderr)}")
    newest = holdings(site).newest
    if newest is None:
        raise StepFailed(f"{node}: {kind} backup: it was taken, but the repository does not show it")
    return newest


def before_migration(site: Site) -> Backup:
    """A backup of the database as it is, from which a failed migration can be undone; raises StepFailed without one."""
    ensure(site)
    return take(site, "incr")


def _is_another_database(site: Site) -> bool:
    """Whether the database's system identifier is not the one the newest backups were taken of."""
    db = site.with_role("db")[0]
    stanza = next(
        one for one in json.loads(_pgbackrest(site, "--output=json info", "ask")) if one["name"] == STANZA
    )
    known = max(stanza["db"], key=lambda one: one["id"])["system-id"]
    query = "SELECT system_identifier FROM pg_control_system()"
    done = ssh.ask(site, db, f"cd / && sudo -u postgres psql -XAtc {shlex.quote(query)}")
    if done.returncode != 0:
        raise StepFailed(f"{db}: ask PostgreSQL who it is: {reason(done.stderr)}")
    return int(done.stdout) != int(known)


def _pgbackrest(site: Site, arguments: str, what: str) -> str:
    node = keeper(site)
    done = ssh.ask(
        site,
        node,
        f"cd / && sudo -u postgres pgbackrest --stanza={STANZA} --log-level-console=error {arguments}",
        timeout=300,
    )
    if done.returncode != 0:
        raise StepFailed(f"{node}: {what}: {reason(done.stdout + done.stderr)}")
    return done.stdout


def reason(output: str) -> str:
    """The line of pgBackRest's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return next((line for line in lines if "ERROR" in line), lines[-1] if lines else "no message")
