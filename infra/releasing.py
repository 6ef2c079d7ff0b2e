"""A release's way onto the nodes: installed beside the old one, tried, flipped to, watched, and taken back if not well."""

import json
import shlex
from pathlib import Path

from infra import backups, layout, run, ssh
from infra.canary import why_silent
from infra.errors import DeployError, StepFailed
from infra.nodes import compute, releases, web
from infra.nodes.services import Service, database_url
from infra.release import Release, build, version
from infra.session import Session
from infra.vault import Vault

_HEALTH_SECONDS = 90
# What a release must find on its node; whether there are API keys is not a release's fault.
_MUST_PASS = ("Python", "FALCON_HOME", "free disk", "Dagster configuration", "database")


class Releasing:
    """Brings this checkout's release to the nodes of a session, or the one before back."""

    def __init__(self, session: Session, vault: Vault) -> None:
        self._session, self._vault, self._site = session, vault, session.site
        self._hosts = [name for name in session.nodes if session.role(name)]

    def foresee(self) -> int:
        """Say what `release` would do; how many nodes would be flipped. Nothing is built or touched."""
        wanted = version()
        flips = 0
        for name in self._hosts:
            held = self._link(name, "current")
            if held == wanted:
                self._session.say(f"{name:10} runs {wanted}")
                continue
            flips += 1
            self._session.say(
                f"{name:10} would install {wanted}, try it, and flip to it from {held or 'nothing'}; "
                f"then restart {' '.join(self._restarted(name))}"
            )
        return flips

    def release(self) -> int:
        """This checkout's release on every node; how many things changed."""
        if not self._hosts:
            return 0
        session = self._session
        asked = session.at_once(
            lambda name: session.must(name, "uname -m", "ask for the machine"), self._hosts
        )
        machines = {name: machine.strip() for name, machine in zip(self._hosts, asked, strict=True)}
        session.say("building the release")
        release = build(set(machines.values()))
        session.say(f"release {release.version}")
        session.at_once(lambda name: self._upload(name, release, machines[name]), self._hosts)
        outcome = run.deploy(
            self._site,
            self._hosts,
            lambda name: releases.install(release, session.role(name) or "web", machines[name]),
            dry=False,
            say=session.say,
        )
        before = dict(zip(self._hosts, session.at_once(self._current, self._hosts), strict=True))
        new = [name for name in self._hosts if before[name] != release.version]
        try:
            session.at_once(lambda name: self._try(name, release, before[name]), new)
            self._migrate(release)
            session.at_once(lambda name: self._check(name, release), new)
        except DeployError:
            for name in new:
                if not before[name]:
                    session.must(name, f"sudo rm -f {layout.CURRENT}", "take the release back")
            raise
        return len(outcome.changed) + self._flip_all(release, before)

    def rollback(self) -> None:
        """Back to the release before, on every node that has one; raises DeployError when none has."""
        held = {name: self._link(name, "previous") for name in self._hosts}
        if not any(held.values()):
            raise DeployError("no node has an earlier release to go back to")
        for name, earlier in held.items():
            if earlier:
                self._session.say(f"{name:10} back to {earlier}")
                self._start(name, releases.flip(earlier))
                if problem := self._problem(name):
                    raise DeployError(f"{name}: release {earlier} is not healthy: {problem}")
        if problem := why_silent(self._session):
            raise DeployError(f"the release before runs, but {problem}")

    def _upload(self, name: str, release: Release, machine: str) -> None:
        session = self._session
        if session.answers(name, f"test -e {releases.home(release.version)}/dagster.yaml"):
            return
        session.say(f"{name:10} upload")
        session.must(name, f"sudo install -d {layout.OPT}/incoming {layout.WHEELS}", "make folders")
        role = session.role(name) or "web"
        wanted = _needed_wheels(release, role, machine)
        ssh.upload(self._site, name, [*wanted, release.wheels / f"uv-{machine}"], f"{layout.WHEELS}/")
        ssh.upload(
            self._site, name, [release.requirements(role, machine), release.wheel], f"{layout.OPT}/incoming/"
        )

    def _try(self, name: str, release: Release, before: str) -> None:
        """Load everything the services load, before anything is changed; on compute, compile the kernels too."""
        self._session.say(f"{name:10} try {release.version}")
        if not before:
            # Nothing runs yet, so the first release may be the current one while it is tried.
            self._session.must(
                name, f"sudo sh -c {shlex.quote(releases.flip(release.version))}", "link the release"
            )
        for what, command in _TRIALS[self._session.kind(name)].items():
            self._as_if_current(name, release, command, f"release {release.version} is not taken: {what}")

    def _check(self, name: str, release: Release) -> None:
        """`falcon check` as the services would run it, with the schema as it is now."""
        command = f"{layout.VENV}/bin/falcon check --json || true"
        said = self._as_if_current(name, release, f"sh -c {shlex.quote(command)}", "falcon check")
        try:
            checks = json.loads(said)["checks"]
        except (ValueError, KeyError) as error:
            raise StepFailed(
                f"{name}: falcon check of {release.version} gives no answer: {said[-200:]}"
            ) from error
        for check in checks:
            if not check["ok"]:
                line = f"{check['name']}: {check['detail']}"
                if check["name"] in _MUST_PASS:
                    raise StepFailed(f"{name}: release {release.version} is not taken: {line}")
                self._session.say(f"{name:10} note: {line}")

    def _as_if_current(self, name: str, release: Release, command: str, what: str) -> str:
        passwords = self._services(name)[0].credentials
        line = releases.as_if_current(release.version, passwords, command)
        return self._session.must(name, f"sudo sh -c {shlex.quote(line)}", what, timeout=900)

    def _migrate(self, release: Release) -> None:
        """Bring the schema up, once, after a backup where it will change."""
        node = self._site.with_role("compute")[0]
        if node not in self._hosts:
            return
        revision = json.loads(
            self._as_if_current(
                name=node,
                release=release,
                command=f"{layout.VENV}/bin/falcon db revision --json",
                what="ask for the schema",
            )
        )
        # A database without tables has nothing to lose.
        if revision["held"] not in (None, revision["newest"]):
            self._session.say("the schema will change: a backup first")
            self._session.say(f"backup {backups.before_migration(self._site).label}")
        self._upgrade_schema(node, release.version)

    def upgrade_schema_of_current(self) -> None:
        """Bring the schema to what the release in use expects, as after a restore; nothing without a release."""
        node = self._site.with_role("compute")[0]
        if in_use := self._current(node):
            self._upgrade_schema(node, in_use)

    def _upgrade_schema(self, node: str, wanted: str) -> None:
        """As the schema's owner, whose password is on no node: it travels on stdin for this one command."""
        address = self._site.address("db")
        plain = self._vault.password("falcon_owner").plain
        url = database_url("falcon_owner", "falcon", address)
        self._session.must(
            node,
            'sudo sh -c \'set -e; umask 077; f=$(mktemp /run/falcon-migrate.XXXXXX); trap "rm -f $f" EXIT; cat > $f; '
            f'PGPASSFILE=$f FALCON_HOME=/nonexistent FALCON_DATABASE_URL="{url}" '
            f"{releases.home(wanted)}/venv/bin/falcon db upgrade'",
            "migrate the database",
            stdin=f"{address}:{layout.POSTGRES_PORT}:falcon:falcon_owner:{plain}\n",
            timeout=600,
        )

    def _flip_all(self, release: Release, before: dict[str, str]) -> int:
        """Flip node after node, then prove the whole road; where one is not well, all go back to what they ran before."""
        flipped: list[str] = []
        try:
            for name in self._hosts:
                if before[name] == release.version and self._problem(name, seconds=1) is None:
                    continue
                flipped.append(name)
                self._flip(name, release, before[name])
            # A worker takes no part that the others' canary would prove.
            proves = any(self._session.kind(name) != "worker" for name in flipped)
            if proves and (problem := why_silent(self._session)):
                raise DeployError(f"release {release.version} is not healthy: {problem}")
        except DeployError as error:
            raise DeployError(f"{error}{self._take_back(flipped, before)}") from error
        for name in flipped:
            self._session.must(name, f"sudo sh -c {shlex.quote(releases.prune())}", "remove old releases")
        return len(flipped)

    def _take_back(self, flipped: list[str], before: dict[str, str]) -> str:
        """Give these nodes what they ran before, and wait for it; in words for the end of a line, how they are then."""
        words = []
        for name in reversed(flipped):
            if not before[name] or self._current(name) == before[name]:
                continue
            self._start(name, releases.take_back(before[name]))
            problem = self._problem(name)
            words.append(f"; {name} runs {before[name]} again{f', not well: {problem}' if problem else ''}")
        return "".join(words)

    def _flip(self, name: str, release: Release, before: str) -> None:
        self._session.say(f"{name:10} flip {before or 'nothing'} to {release.version}")
        self._start(name, releases.flip(release.version))
        if problem := self._problem(name):
            raise DeployError(f"{name}: release {release.version} is not healthy: {problem}")

    def _services(self, name: str) -> list[Service]:
        """A node's services that know the database, the one with most rights first."""
        known = compute.services(self._site, name) if self._session.role(name) == "compute" else web.SERVICES
        return sorted(
            (s for s in known if s.roles), key=lambda s: (-len(s.roles), "falcon_web" not in s.roles)
        )

    def _units(self, name: str) -> tuple[str, ...]:
        return layout.UNITS[self._session.kind(name)]

    def _restarted(self, name: str) -> list[str]:
        return [unit for unit in self._units(name) if unit not in layout.ONLY_STARTED]

    def _start(self, name: str, link: str) -> None:
        """Make another release the current one (`link`, shell) and have the services run it, without waiting for them."""
        only_started = [unit for unit in self._units(name) if unit in layout.ONLY_STARTED]
        commands = [
            f"sh -c {shlex.quote(link)}",
            f"systemctl enable --quiet {' '.join(self._units(name))}",
            *([f"systemctl start --no-block {' '.join(only_started)}"] if only_started else []),
            f"systemctl restart --no-block {' '.join(self._restarted(name))}",
        ]
        self._session.must(name, " && ".join(f"sudo {command}" for command in commands), "start the release")

    def _problem(self, name: str, seconds: int = _HEALTH_SECONDS) -> str | None:
        """Why a node is not healthy within these seconds; None when it is, and stays so for a moment."""
        units = " ".join(self._units(name))
        restarts = f"systemctl show -P NRestarts {units}"
        probe = f"{_WELL.format(units=units)}; {_PROBES[self._session.kind(name)]}"
        # Healthy twice with no restart in between: a service that falls over at once is up now and then, too.
        script = (
            f"probe() {{ ( {probe} ) >/dev/null 2>&1; }}; for i in $(seq {seconds}); do "
            f'a=$({restarts}); if probe && sleep 4 && probe && [ "$a" = "$({restarts})" ]; then exit 0; fi; sleep 1; done; '
            f"{_WELL.format(units=units)}; echo 'the services run, but do not answer'; exit 1"
        ).replace("@ADDRESS@", self._site.nodes[name].address)
        done = ssh.ask(self._site, name, f"sudo sh -c {shlex.quote(script)}", timeout=60 + seconds * 12)
        return None if done.returncode == 0 else (done.stdout.strip().splitlines() or ["no answer"])[-1]

    def _current(self, name: str) -> str:
        return self._link(name, "current")

    def _link(self, name: str, link: str) -> str:
        """The release that `current` or `previous` leads to; empty without one."""
        found = self._session.must(name, f"readlink {layout.OPT}/{link} || true", "ask for the release")
        return found.strip().removeprefix("releases/")


_WELL = (
    "for u in {units}; do s=$(systemctl show -P ActiveState $u); r=$(systemctl show -P Result $u); "
    '[ "$s" = active ] || [ "$s $r" = "inactive exec-condition" ] || {{ echo "$u is $s"; exit 1; }}; done'
)
_PROBES = {
    "compute": f"{layout.VENV}/bin/python -m dagster api grpc-health-check --socket {layout.CODE_SERVER_SOCKET}",
    "worker": "true",
    "web": (
        f"systemctl is-active --quiet nginx && curl -sf -m 5 --cacert {layout.TLS}/ca.crt https://@ADDRESS@/readyz && "
        f"curl -sf -m 5 http://127.0.0.1:{layout.DAGSTER_UI_PORT}/dagster/server_info && "
        f"curl -sf -m 5 http://127.0.0.1:{layout.DAGSTER_VIEW_PORT}/dagster/server_info"
    ),
}
"""What says that a node is healthy, besides its units."""
_COMPUTE_TRIALS = {
    "its definitions do not load": f"{layout.VENV}/bin/dagster definitions validate -m falcon_pipelines.definitions",
    "its kernels do not compile": f"{layout.VENV}/bin/python -m falcon_pipelines.backtesting.warm_up",
}
_TRIALS = {
    "compute": _COMPUTE_TRIALS,
    "worker": _COMPUTE_TRIALS,
    "web": {
        "its web services do not load": (
            f"{layout.VENV}/bin/python -c 'import falcon_pipelines.dashboard.server, dagster_webserver.app, dagster._daemon.cli'"
        ),
    },
}
"""What a release must be able to do on a node before it is flipped to."""


def _needed_wheels(release: Release, role: str, machine: str) -> list[Path]:
    """The wheels that a role's requirements name, by normalised name and version."""
    pins = set()
    for line in release.requirements(role, machine).read_text().splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name, pinned = line.split(";")[0].rstrip(" \\").split("==")
            pins.add((name.strip().split("[")[0].lower().replace("-", "_").replace(".", "_"), pinned.strip()))
    return [
        wheel
        for wheel in sorted(release.wheels.glob("*.whl"))
        if (wheel.name.split("-")[0].lower().replace(".", "_"), wheel.name.split("-")[1]) in pins
    ]
