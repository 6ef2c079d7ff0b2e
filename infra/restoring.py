"""Bringing the database back as it was at a moment, on the machine it was on or on a fresh one."""

import re
import shlex
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from infra import backups, layout, ssh
from infra.errors import DeployError, StepFailed
from infra.nodes import backup, releases
from infra.nodes.compute import CODE_SERVER
from infra.session import Session
from infra.status import services

RECOVERY_SECONDS = 3600
REACH_SECONDS, ANSWER_SECONDS = 5, 20
_STAY = ("postgresql.service", "nginx.service", backup.SERVER, "falcon-outages.timer")
"""The database is stopped at its turn; the web site says what is wrong; the backups are what is read."""


_BEYOND_THE_END = "recovery ended before configured recovery target was reached"
"""PostgreSQL's word for a moment after the last transaction of the log."""


class InvalidMoment(DeployError):
    """What was given as a time is none."""


@dataclass
class Restored:
    """What a restore reached, and how long each part of it took."""

    reached: datetime | None
    """Commit time of the last transaction that came back; None when the log had none after the backup."""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def total_seconds(self) -> float:
        """From the first stop to the last start."""
        return sum(self.seconds.values())


def moment(text: str, now: datetime) -> datetime | None:
    """The time meant by `latest` (None) or an ISO 8601 time with its zone; raises InvalidMoment."""
    if text == "latest":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidMoment(
            f"{text}: no time; write it like {now.replace(microsecond=0).isoformat()}, or say `latest`"
        ) from error
    if found.tzinfo is None:
        raise InvalidMoment(f"{text}: say the zone, such as {text}+00:00 or {text}-05:00")
    return found.astimezone(UTC)


def restore_command(to: datetime | None) -> str:
    """Shell: pgBackRest's restore, over what is in the data folder."""
    target = (
        ""
        if to is None
        else f" --type=time --target={shlex.quote(to.strftime('%Y-%m-%d %H:%M:%S.%f+00'))} --target-action=promote"
    )
    return f"pgbackrest --stanza={backups.STANZA} --delta{target} restore"


class Restore:
    """One restore, step by step; each step says what it does and is timed."""

    def __init__(self, session: Session, to: datetime | None) -> None:
        self.session, self.site, self.to, self.say = session, session.site, to, session.say
        self.db = self.site.with_role("db")[0]
        self.done = Restored(None)
        self._began = time.monotonic()

    def require_repository(self) -> None:
        """The database's node reaches the backups; asked before anything is stopped. Raises StepFailed in seconds."""
        keeper = backup.keeper(self.site)
        if keeper == self.db:
            return
        address, port = self.site.nodes[keeper].address, layout.BACKUP_PORT
        # A fresh machine has no pgBackRest to ask with yet.
        ask = (
            f"timeout {REACH_SECONDS} bash -c '</dev/tcp/{address}/{port}' 2>/dev/null || exit 7; "
            f"[ -e {layout.BACKUP_TLS}/node.key ] || exit 0; cd / && said=$(timeout {ANSWER_SECONDS} "
            f"sudo -u postgres pgbackrest --stanza={backups.STANZA} --log-level-console=error info 2>&1); "
            # It exits with 0 whatever the repository says.
            'printf %s "$said" | grep -q \'status: ok\' || { printf %s "$said"; exit 1; }'
        )
        done = ssh.ask(self.site, self.db, f"sudo sh -c {shlex.quote(ask)}")
        if done.returncode == 0:
            return
        if done.returncode == 7:
            why = f"{address}:{port} does not answer; is {keeper} on, and {backup.SERVER} running there?"
        else:
            said = " ".join(done.stdout.split()).removeprefix(f"stanza: {backups.STANZA} ")
            why = said[:300] or f"no answer within {ANSWER_SECONDS} s"
        raise StepFailed(f"{self.db}: it does not reach the backups on {keeper}: {why}; nothing was restored")

    def stop_writers(self) -> None:
        """Nobody writes, not even a run that outlives its service; the last of the log is archived where it can be."""
        self.say("stopping what writes")
        for node in (*self.site.with_role("web"), *self.site.with_role("compute")):
            units = [unit for unit in services(self.site, node) if unit not in _STAY]
            stop = (
                # Units of a release that is not installed yet are none to stop.
                f"for u in {' '.join(units)}; do systemctl stop $u 2>/dev/null || true; done; "
                f"pkill -KILL -u {layout.USER} || true"
            )
            self._must(node, f"sudo sh -c {shlex.quote(stop)}", "stop Falcon", timeout=400)
        switch = (
            "cd / && sudo -u postgres psql -XAtc 'SELECT pg_switch_wal()' >/dev/null 2>&1 && sleep 3; true"
        )
        ssh.ask(self.site, self.db, switch, timeout=30)
        self.lap("stop")

    def bring_back(self) -> None:
        """The data folder from backup and log, and PostgreSQL on it, open for writing."""
        unit = f"postgresql@{layout.POSTGRES_VERSION}-main"
        self.say(
            f"restoring {self.db} to {'the newest there is' if self.to is None else self.to.isoformat()}"
        )
        words = self._recover(unit, self.to)
        if _BEYOND_THE_END in words and self.to is not None:
            self.say("nothing was committed after that moment: it is the newest there is")
            words = self._recover(unit, None)
        if words:
            self._must(self.db, f"sudo systemctl stop {unit}", "stop PostgreSQL", timeout=180)
            raise StepFailed(f"{self.db}: PostgreSQL does not start on what was restored: {words}")
        reached = self._psql("SELECT coalesce(pg_last_xact_replay_timestamp()::text, '')")
        self.done.reached = datetime.fromisoformat(reached).astimezone(UTC) if reached else None
        self.lap("recovery")

    def prove_books(self) -> None:
        """Every account's books follow from what happened; raises StepFailed naming the first that does not."""
        node = self.site.with_role("compute")[0]
        in_use = self._must(node, f"readlink {layout.CURRENT} || true", "ask for the release").strip()
        if not in_use:
            self.say("no release on compute yet: the books are proved after `deploy`")
            return
        self.say("proving the books")
        line = releases.as_if_current(
            in_use.removeprefix("releases/"),
            CODE_SERVER.credentials,
            f"{layout.VENV}/bin/falcon trade reconcile",
        )
        said = self._must(node, f"sudo sh -c {shlex.quote(line)}", "prove the books", timeout=300)
        self.say(said.strip())
        self.lap("books")

    def start(self) -> None:
        """Everything runs again, the database's own timers included."""
        self.say("starting Falcon")
        for node in (self.db, *self.site.with_role("compute"), *self.site.with_role("web")):
            units = services(self.site, node)
            if self._application(node) and not self.session.answers(node, f"test -e {layout.CURRENT}"):
                continue
            if units:
                self._must(node, f"sudo systemctl start {' '.join(units)}", "start Falcon", timeout=400)
        self.lap("start")

    def _application(self, node: str) -> bool:
        return bool({"compute", "web"} & set(self.site.nodes[node].roles))

    def _recover(self, unit: str, to: datetime | None) -> str:
        """Restore and replay; what PostgreSQL said when it gave up, nothing when it is open."""
        self._must(self.db, f"sudo systemctl stop {unit}", "stop PostgreSQL", timeout=180)
        restore = f"cd / && sudo -u postgres {restore_command(to)}"
        self._must(self.db, restore, "restore", timeout=backups.BACKUP_SECONDS)
        self.lap("restore")
        self.say("PostgreSQL replays the log")
        # Not waited for by systemd: recovery may take longer than a unit may take to start. Its restarts count anew.
        start = f"sudo systemctl reset-failed {unit} && sudo systemctl start --no-block {unit}"
        self._must(self.db, start, "start PostgreSQL")
        return self._wait_until_open(unit)

    def _wait_until_open(self, unit: str) -> str:
        """What PostgreSQL said when it fell over, nothing when it is open. Raises StepFailed after RECOVERY_SECONDS."""
        until = time.monotonic() + RECOVERY_SECONDS
        # systemd starts it again and again: it is never "failed" for long.
        fell = f'systemctl is-failed --quiet {unit} || [ "$(systemctl show -P NRestarts {unit})" != 0 ]'
        while time.monotonic() < until:
            done = ssh.ask(
                self.site, self.db, "cd / && sudo -u postgres psql -XAtc 'SELECT pg_is_in_recovery()'"
            )
            if done.stdout.strip() == "f":
                return ""
            if self.session.answers(self.db, fell):
                return self._last_words()
            time.sleep(0.5)
        raise StepFailed(
            f"{self.db}: PostgreSQL is still replaying after {RECOVERY_SECONDS} s; look at its log"
        )

    def _last_words(self) -> str:
        """The last FATAL line of PostgreSQL's log."""
        log = f"/var/log/postgresql/postgresql-{layout.POSTGRES_VERSION}-main.log"
        # Those who knock meanwhile get a FATAL of their own.
        lines = f"sudo grep -E 'FATAL|PANIC' {log} | grep -v 'the database system is' | tail -1"
        done = ssh.ask(self.site, self.db, lines)
        return re.sub(r"^.*?(FATAL|PANIC)", r"\1", done.stdout.strip()) or "see its log"

    def _psql(self, query: str) -> str:
        return self._must(
            self.db, f"cd / && sudo -u postgres psql -XAtc {shlex.quote(query)}", "ask PostgreSQL"
        ).strip()

    def lap(self, name: str) -> None:
        """What was done since the last lap has this name; one that comes again adds to it."""
        now = time.monotonic()
        self.done.seconds[name] = self.done.seconds.get(name, 0.0) + now - self._began
        self._began = now

    def _must(self, node: str, remote: str, what: str, timeout: float = 60) -> str:
        done = ssh.ask(self.site, node, remote, timeout=timeout)
        if done.returncode != 0:
            raise StepFailed(f"{node}: {what}: {backups.reason(done.stdout + done.stderr)}")
        return done.stdout
