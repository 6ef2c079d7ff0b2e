"""The order of a deploy: nodes are set up, a release is installed beside the old one, checked, flipped to, and watched."""

import secrets
import shlex
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from infra import backups, layout, run, ssh
from infra.errors import DeployError, StepFailed
from infra.nodes import common, db, releases
from infra.nodes.backup import backup, keeper
from infra.nodes.compute import compute
from infra.nodes.services import database_url
from infra.nodes.web import web
from infra.release import Release, build
from infra.restoring import Restore, Restored
from infra.site import Site
from infra.vault import Vault

Say = Callable[[str], None]
_LOCK = "falcon-deploy-lock"
# Longer than any deploy; a deploy that died frees the nodes by itself after this.
_LOCK_SECONDS = 1800
_HEALTH_SECONDS = 90


class Deploy:
    """One run of the operator's command over some nodes."""

    def __init__(self, site: Site, nodes: list[str], say: Say, *, dry: bool = False) -> None:
        self.site, self.nodes, self.say, self.dry = site, nodes, say, dry
        self.vault = Vault(site)
        self.token = secrets.token_hex(8)

    def setup(self) -> int:
        """Everything, from fresh machines to a running Falcon; how many steps changed something."""
        if self.dry:
            return self._configure()
        self._lock()
        try:
            changed = self._configure()
            changed += self._release()
            changed += self._firewall()
            changed += self._backups()
        finally:
            self._unlock()
        return changed

    def prepare(self) -> int:
        """All of a setup but the release; how many steps changed something."""
        return self._configure() + self._firewall()

    def _backups(self) -> int:
        """The repository, and a first backup in it, once both ends of it are there."""
        ends = {self.site.with_role("db")[0], keeper(self.site)}
        if not ends & set(self.nodes):
            return 0
        if not all(
            self._answers(
                name, "test -e /etc/pgbackrest-tls/node.key || sudo test -e /etc/pgbackrest-tls/node.key"
            )
            for name in ends
        ):
            self.say("backups begin when both the database and the node that keeps them are set up")
            return 0
        self.say("backups")
        return int(backups.ensure(self.site))

    def _configure(self) -> int:
        self.say("settings, accounts, certificates, services")
        outcome = run.deploy(self.site, self.nodes, self._node, dry=self.dry, say=self.say)
        for line in outcome.diffs:
            self.say(line)
        if self.dry:
            for node, step in outcome.changed:
                self.say(f"{node:10} would {step}")
        return len(outcome.changed)

    def _node(self, name: str) -> None:
        roles = self.site.nodes[name].roles
        common.base(self.vault, name)
        if "db" in roles:
            db.database(self.site, self.vault, name)
        if "compute" in roles:
            compute(self.site, self.vault, name)
        if "web" in roles:
            web(self.site, self.vault, name)
        backup(self.site, self.vault, name)

    def _firewall(self) -> int:
        outcome = run.deploy(
            self.site, self.nodes, lambda name: common.firewall(self.site, name), dry=False, say=self.say
        )
        for name in self.nodes:
            # A fresh login proves that the new rules let the operator in.
            self._must(
                name,
                "sudo systemctl stop falcon-firewall-rollback.timer 2>/dev/null; true",
                "confirm the firewall",
            )
        return len(outcome.changed)

    def deploy(self) -> int:
        """This checkout's release on nodes that are set up already; how many nodes were flipped to it."""
        self._lock()
        try:
            return self._release()
        finally:
            self._unlock()

    def rollback(self) -> None:
        """Back to the release before, on every node that has one; raises DeployError when none has."""
        self._lock()
        try:
            held = {name: self._link(name, "previous") for name in self.nodes if self._application_role(name)}
            if not any(held.values()):
                raise DeployError("no node has an earlier release to go back to")
            for name, version in held.items():
                if version:
                    self.say(f"{name:10} back to {version}")
                    self._start(name, version)
        finally:
            self._unlock()

    def restore(self, to: datetime | None) -> Restored:
        """The database as it was at a moment (None: the newest), and Falcon running on it; see `restoring`."""
        self._lock()
        try:
            work = Restore(self.site, to, self.say)
            database = Deploy(self.site, [work.db], self.say)
            work.stop_writers()
            database.prepare()
            work.lap("prepare")
            work.bring_back()
            # What was restored may have older passwords, and an older schema than the release.
            database.prepare()
            self._migrate_current()
            work.lap("settle")
            work.prove_books()
            work.start()
            backups.take(self.site, "incr")
            work.lap("backup")
            return work.done
        finally:
            self._unlock()

    def _migrate_current(self) -> None:
        """The schema that the release in use expects."""
        version = self._link(self.site.with_role("compute")[0], "current")
        if version:
            self._upgrade_schema(version)

    def _release(self) -> int:
        hosts = [name for name in self.nodes if self._application_role(name)]
        if not hosts:
            return 0
        machines = {name: self._must(name, "uname -m", "ask for the machine").strip() for name in hosts}
        self.say("building the release")
        release = build(set(machines.values()))
        self.say(f"release {release.version}")
        changed = 0
        for name in hosts:
            if self._answers(name, f"test -e {layout.RELEASES}/{release.version}/dagster.yaml"):
                continue
            self._upload(name, release, machines[name])
        outcome = run.deploy(
            self.site,
            hosts,
            lambda name: releases.install(release, self._application_role(name) or "web", machines[name]),
            dry=False,
            say=self.say,
        )
        changed += len(outcome.changed)
        changed += self._migrate(release)
        changed += self._flip(hosts, release)
        return changed

    def _application_role(self, name: str) -> str | None:
        roles = self.site.nodes[name].roles
        return next((role for role in ("compute", "web") if role in roles), None)

    def _upload(self, name: str, release: Release, machine: str) -> None:
        self.say(f"{name:10} upload")
        self._must(name, f"sudo install -d {layout.OPT}/incoming {layout.WHEELS}", "make folders")
        role = self._application_role(name) or "web"
        wanted = _needed_wheels(release, role, machine)
        ssh.upload(self.site, name, [*wanted, release.wheels / f"uv-{machine}"], f"{layout.WHEELS}/")
        ssh.upload(
            self.site, name, [release.requirements(role, machine), release.wheel], f"{layout.OPT}/incoming/"
        )

    def _migrate(self, release: Release) -> int:
        """Bring the schema up as its owner, whose password is on no node: it travels on stdin for this one command."""
        node = self.site.with_role("compute")[0]
        if node not in self.nodes:
            return 0
        if backups.schema_will_change(self.site, node, release.version):
            self.say("the schema will change: a backup first")
            self.say(f"backup {backups.before_migration(self.site).label}")
        self._upgrade_schema(release.version)
        return 0

    def _upgrade_schema(self, version: str) -> None:
        node = self.site.with_role("compute")[0]
        db_address = self.site.address("db")
        plain = self.vault.password("falcon_owner").plain
        url = database_url("falcon_owner", "falcon", db_address)
        done = ssh.ask(
            self.site,
            node,
            'sudo sh -c \'set -e; umask 077; f=$(mktemp /run/falcon-migrate.XXXXXX); trap "rm -f $f" EXIT; cat > $f; '
            f'PGPASSFILE=$f FALCON_HOME=/nonexistent FALCON_DATABASE_URL="{url}" '
            f"{layout.RELEASES}/{version}/venv/bin/falcon db upgrade'",
            stdin=f"{db_address}:{layout.POSTGRES_PORT}:falcon:falcon_owner:{plain}\n",
            timeout=300,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise StepFailed(f"{node}: migrate the database: {said[-1] if said else 'no message'}")

    def _flip(self, hosts: list[str], release: Release) -> int:
        changed = 0
        for name in hosts:
            before = self._link(name, "current")
            wanted = " ".join(self._units(name))
            if before == release.version and self._answers(name, f"systemctl is-active --quiet {wanted}"):
                continue
            self.say(f"{name:10} flip {before or 'nothing'} to {release.version}")
            changed += 1
            self._start(name, release.version)
            problem = self._problem(name)
            if problem and before:
                self._start(name, before)
                raise DeployError(
                    f"{name}: release {release.version} is not healthy: {problem}; {before} runs again"
                )
            if problem:
                raise DeployError(f"{name}: release {release.version} is not healthy: {problem}")
            self._must(name, f"sudo sh -c {shlex.quote(releases.prune())}", "remove old releases")
        return changed

    def _units(self, name: str) -> tuple[str, ...]:
        return layout.UNITS[self._application_role(name) or "web"]

    def _start(self, name: str, version: str) -> None:
        """Make a release the current one and have the services run it."""
        units = self._units(name)
        # A socket is started and never restarted: requests that wait in it would be lost.
        sockets = [unit for unit in units if unit.endswith(".socket")]
        others = [unit for unit in units if not unit.endswith(".socket")]
        commands = [
            f"sh -c {shlex.quote(releases.flip(version))}",
            f"ln -sfn {layout.CURRENT}/dagster.yaml {layout.DAGSTER_HOME}/dagster.yaml",
            f"systemctl enable --quiet {' '.join(units)}",
            *([f"systemctl start {' '.join(sockets)}"] if sockets else []),
            f"systemctl restart {' '.join(others)}",
        ]
        self._must(name, " && ".join(f"sudo {command}" for command in commands), f"start release {version}")

    def _problem(self, name: str) -> str | None:
        """Why a node is not healthy after _HEALTH_SECONDS; None when it is."""
        probe = PROBES[self._application_role(name) or "web"]
        waiting = f"for i in $(seq {_HEALTH_SECONDS}); do ({probe}) >/dev/null 2>&1 && exit 0; sleep 1; done; exit 1"
        if self._answers(name, f"sudo sh -c {shlex.quote(waiting)}", timeout=_HEALTH_SECONDS * 6):
            return None
        failed = self._must(
            name, "systemctl --failed --plain --no-legend | cut -d' ' -f1 | head -3", "ask for failed units"
        )
        return f"services: {' '.join(failed.split()) or 'running, but they do not answer'}"

    def _link(self, name: str, link: str) -> str:
        """The release that `current` or `previous` leads to; empty without one."""
        found = self._must(name, f"readlink {layout.OPT}/{link} || true", "ask for the release")
        return found.strip().removeprefix("releases/")

    def _lock(self) -> None:
        """One deploy at a time, whoever starts it: the lock is a unit on each node that ends by itself."""
        for name in self.nodes:
            done = ssh.ask(
                self.site,
                name,
                f"sudo systemd-run --quiet --collect --unit={_LOCK} --description='deploy {self.token}' sleep {_LOCK_SECONDS}",
            )
            if done.returncode != 0:
                self._unlock()
                if "already" in done.stderr:
                    raise DeployError(
                        f"{name}: another deploy is under way; wait for it, or: sudo systemctl stop {_LOCK}"
                    )
                raise StepFailed(f"{name}: taking the lock: {done.stderr.strip().splitlines()[-1]}")

    def _unlock(self) -> None:
        for name in self.nodes:
            ssh.ask(
                self.site,
                name,
                f"systemctl show -P Description {_LOCK} | grep -q {self.token} && sudo systemctl stop {_LOCK}; true",
            )

    def _answers(self, name: str, remote: str, timeout: float = 60) -> bool:
        return ssh.ask(self.site, name, remote, timeout=timeout).returncode == 0

    def _must(self, name: str, remote: str, what: str) -> str:
        done = ssh.ask(self.site, name, remote, timeout=180)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise StepFailed(f"{name}: {what}: {said[-1] if said else f'exit code {done.returncode}'}")
        return done.stdout


PROBES = {
    "compute": f"systemctl is-active --quiet {' '.join(layout.UNITS['compute'])} && test -S {layout.CODE_SERVER_SOCKET}",
    "web": (
        f"systemctl is-active --quiet {' '.join(layout.UNITS['web'])} nginx && "
        "curl -sfk https://127.0.0.1/readyz && "
        f"curl -sf http://127.0.0.1:{layout.DAGSTER_UI_PORT}/dagster/server_info"
    ),
}
"""What says that a node is healthy."""


def _needed_wheels(release: Release, role: str, machine: str) -> list[Path]:
    """The wheels that a role's requirements name, by normalised name and version."""
    pins = set()
    for line in release.requirements(role, machine).read_text().splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name, version = line.split(";")[0].rstrip(" \\").split("==")
            pins.add(
                (name.strip().split("[")[0].lower().replace("-", "_").replace(".", "_"), version.strip())
            )
    return [
        wheel
        for wheel in sorted(release.wheels.glob("*.whl"))
        if (wheel.name.split("-")[0].lower().replace(".", "_"), wheel.name.split("-")[1]) in pins
    ]
