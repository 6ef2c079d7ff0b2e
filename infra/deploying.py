"""What the operator's commands do, in their order: settings, then the release, then the firewall."""

from datetime import datetime

from infra import backups, layout, run
from infra.errors import InvalidSite
from infra.nodes import application, backup, common, compute, db, monitoring, runs, web
from infra.releasing import Releasing
from infra.restoring import Restore, Restored
from infra.session import Say, Session
from infra.site import Site
from infra.vault import Vault


class Deploy:
    """One run of the operator's command over some nodes."""

    def __init__(self, site: Site, nodes: list[str], say: Say, *, dry: bool = False) -> None:
        self.site, self.nodes, self.say, self.dry = site, nodes, say, dry
        self.vault = Vault(site)
        self.session = Session(site, nodes, say, self.vault.folder)
        # A further compute node connects to the database and to the queue of runs, which know it by its address.
        further = any("worker" in site.kinds(name) for name in nodes)
        doors = [*site.with_role("db"), site.with_role("compute")[0]] if further else []
        self.doors = [name for name in doors if name not in nodes]
        self.releasing = Releasing(self.session, self.vault)

    def setup(self) -> int:
        """Everything, from fresh machines to a running Falcon; how many steps changed something."""
        if self.dry:
            return self._admit() + self._configure() + self.releasing.foresee()
        with Session(self.site, [*self.nodes, *self.doors], self.say, self.vault.folder).alone():
            changed = self._admit()
            changed += self._configure()
            changed += self.releasing.release()
            changed += self._firewall(self.nodes)
            return changed + self._backups()

    def deploy(self) -> int:
        """This checkout's release on nodes that are set up already; how many nodes were flipped to it."""
        if self.dry:
            return self.releasing.foresee()
        with self.session.alone():
            return self.releasing.release()

    def rollback(self) -> None:
        """Back to the release before, on every node that has one; raises DeployError when none has."""
        with self.session.alone():
            self.releasing.rollback()

    def secrets(self, rotate: list[str]) -> int:
        """Bring passwords and secret settings to the nodes, after making new ones of those named in `rotate`.

        The database learns a new password before the services do; they are restarted where theirs changed, and
        nothing else is touched.
        """
        known = [*db.ROLES, "session-key", application.RUNS_SECRET]
        for name in rotate:
            if name not in known:
                raise InvalidSite(f"{name}: no secret of that name; known are {', '.join(known)}")
        with self.session.alone():
            for name in rotate:
                self.vault.rotate(f"postgres-{name}" if name in db.ROLES else name)
            databases = [name for name in self.nodes if "db" in self.site.nodes[name].roles]
            others = [name for name in self.nodes if name not in databases]
            return self._steps(databases, self._passwords) + self._steps(others, self._secret_settings)

    def _admit(self) -> int:
        """Let the nodes in where they have to connect to and which is not set up itself: lists of who may, no more."""
        if not self.doors:
            return 0
        self.say(f"who may connect to {', '.join(self.doors)}")
        databases = [name for name in self.doors if "db" in self.site.nodes[name].roles]
        changed = self._steps(databases, lambda _name: db.access(self.site))
        return changed + self._firewall(self.doors)

    def restore(self, to: datetime | None) -> Restored:
        """The database as it was at a moment (None: the newest), and Falcon running on it; see `restoring`."""
        with self.session.alone():
            work = Restore(self.session, to)
            database = Deploy(self.site, [work.db], self.say)
            work.require_repository()
            work.stop_writers()
            database.prepare()
            work.require_repository()
            work.lap("prepare")
            work.bring_back()
            # What was restored may have older passwords, and an older schema than the release.
            database.prepare()
            self.releasing.upgrade_schema_of_current()
            work.lap("settle")
            work.prove_books()
            work.start()
            backups.take(self.site, "incr")
            work.lap("backup")
            return work.done

    def prepare(self) -> int:
        """All of a setup but the release; how many steps changed something."""
        return self._configure() + self._firewall(self.nodes)

    def _backups(self) -> int:
        """The repository, and a first backup in it, once both ends of it are there."""
        ends = {self.site.with_role("db")[0], backup.keeper(self.site)}
        if not ends & set(self.nodes):
            return 0
        there = f"sudo test -e {layout.BACKUP_TLS}/node.key"
        if not all(self.session.answers(name, there) for name in ends):
            self.say("backups begin when both the database and the node that keeps them are set up")
            return 0
        self.say("backups")
        return int(backups.ensure(self.site))

    def _configure(self) -> int:
        self.say("settings, accounts, certificates, services")
        return self._steps(self.nodes, self._node)

    def _steps(self, nodes: list[str], work: run.Work) -> int:
        if not nodes:
            return 0
        outcome = run.deploy(self.site, nodes, work, dry=self.dry, say=self.say)
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
            compute.compute(self.site, self.vault, name)
        if "web" in roles:
            web.web(self.site, self.vault, name)
        backup.backup(self.site, self.vault, name)
        monitoring.monitoring(self.site, name)

    def _passwords(self, _name: str) -> None:
        for role in db.ROLES:
            db.password(role, self.vault)

    def _secret_settings(self, name: str) -> None:
        role = self.session.role(name) or "web"
        services = compute.services(self.site, name) if role == "compute" else web.SERVICES
        application.secrets(self.site, self.vault, role, services)
        if "compute" in self.site.kinds(name):
            runs.queue(self.site, self.vault, name)
        application.restart_changed(services)

    def _firewall(self, nodes: list[str]) -> int:
        changed = self._steps(nodes, lambda name: common.firewall(self.site, name))
        if self.dry:
            return changed
        for name in nodes:
            # A fresh login proves that the new rules let the operator in.
            self.session.must(
                name,
                f"sudo systemctl stop {layout.FIREWALL_ROLLBACK}.timer 2>/dev/null; true",
                "confirm the firewall",
            )
        return changed
