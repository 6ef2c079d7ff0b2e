"""The operator's side: a site file, a folder of secrets, a checkout to deploy from, and the operator's command."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from infra.site import Site
from tests.cluster.bed import KINDS, Bed
from tests.cluster.image import cache
from tests.cluster.machine import run
from tests.cluster.visitor import Visitor

ROOT = Path(__file__).resolve().parents[2]
NAME = "falcon.lan"
OPERATOR = "olga"
VIEWER = "vera"
PASSWORD = "correct horse battery staple"  # of a bed that nobody else reaches
# The same content gives the same commit, and with it the same release.
_WHEN = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Said:
    """How a command of the operator ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        """Everything that was said."""
        return self.out + self.err

    @property
    def changes(self) -> int:
        """The number before `changes` in the last line of a setup."""
        found = re.findall(r"^(\d+) changes", self.out, re.MULTILINE)
        return int(found[-1]) if found else -1


class Checkout:
    """A copy of this working tree, committed, from which releases are built; edits to it make other releases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def refresh(self) -> None:
        """The working tree as it is now, uncommitted changes included."""
        listed = run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"])
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for name in listed.split("\0"):
            source = ROOT / name
            if not name or not source.is_file():
                continue
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        wheels = cache() / "dist"
        wheels.mkdir(parents=True, exist_ok=True)
        (self.folder / "dist").symlink_to(wheels)
        self.git("init", "-q")
        self.commit("the working tree")

    def commit(self, message: str) -> str:
        """Commit everything; gives the commit's short name."""
        self.git("add", "-A", "--", ".", ":!dist")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "--short=10", "HEAD").strip()

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a piece of a file; raises AssertionError when it is not there exactly once."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path} has {text.count(old)} times {old!r}"
        file.write_text(text.replace(old, new))

    def build(self, machines: set[str]) -> None:
        """Build the release here, where the registry is within reach; deploying it needs none."""
        program = f"from infra.release import build; build({machines!r})"
        run(["env", f"--chdir={self.folder}", sys.executable, "-c", program], timeout=1800)

    def git(self, *arguments: str) -> str:
        """A git command in the checkout."""
        who = {"NAME": "bed", "EMAIL": "bed@localhost", "DATE": _WHEN}
        names = [
            f"GIT_{role}_{part}={value}" for role in ("AUTHOR", "COMMITTER") for part, value in who.items()
        ]
        return run(["env", *names, "git", "-C", str(self.folder), *arguments])


class Installation:
    """Falcon on the bed's nodes, as its operator deploys it."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.site_file = bed.folder / "site.toml"
        self.state = bed.folder / "state"
        self.checkout = Checkout(bed.folder / "checkout")
        self.machines = {platform.machine()}

    def write_site(self, settings: dict[str, str]) -> None:
        """The site file for the bed's nodes, and what compute is told (FALCON_... settings)."""
        lines = [f'[site]\nname = "{NAME}"\noperators = ["192.168.1.10"]']
        for node, address in self.bed.network.addresses.items():
            lines.append(f'[nodes.{node}]\naddress = "{address}"\nroles = ["{KINDS.get(node, node)}"]')
        self.site_file.write_text("\n\n".join(lines) + "\n")
        self.tell_compute(settings)

    def tell_compute(self, settings: dict[str, str]) -> None:
        """Write compute.env, the operator's settings of compute; the next deploy brings them there."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        env = self.state / "compute.env"
        env.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        env.chmod(0o600)

    @property
    def described(self) -> Site:
        """The site file, as the operator's command reads it."""
        return Site.model_validate(tomllib.loads(self.site_file.read_text()))

    def operator(self, *arguments: str, timeout: float = 1200) -> Said:
        """`scripts/deploy.sh ARGUMENTS`, by this interpreter, in the operator's network."""
        started = time.monotonic()
        done = subprocess.run(
            self.command(*arguments), cwd=self.checkout.folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def command(self, *arguments: str) -> list[str]:
        """The command line of `operator`."""
        return [*self.bed.network.within("operator"), sys.executable, "-m", "infra", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """What the operator's shell has set."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("FALCON_")},
            "FALCON_SITE": str(self.site_file),
            "FALCON_SITE_STATE": str(self.state),
            "FALCON_SSH_KEY": str(self.bed.key),
            "FALCON_SSH_KNOWN_HOSTS": str(self.bed.known_hosts),
            "COLUMNS": "200",
        }

    @property
    def authority(self) -> str:
        """The site's certificate authority, PEM."""
        kept: dict[str, str] = json.loads((self.state / "authority.json").read_text())
        return kept["pem"]

    def add_users(self) -> None:
        """An operator and a viewer, as `falcon user add` on compute makes them."""
        for name, role in ((OPERATOR, "operator"), (VIEWER, "viewer")):
            known = self.bed.db.psql(f"SELECT count(*) FROM users WHERE name = '{name}'")
            if known == "0":
                self.falcon(f"user add {name} --role {role}", stdin=PASSWORD)

    def falcon(self, arguments: str, *, stdin: str = "", timeout: float = 120) -> str:
        """The `falcon` command on compute, with the services' settings; raises CommandFailed when it fails."""
        line = f"/usr/local/bin/falcon {arguments}"
        return self.bed.compute.console(f"printf '%s\\n' '{stdin}' | {line}", timeout=timeout)

    def visitor(self, where: str = "lan") -> Visitor:
        """Somebody at the web site who is not logged in."""
        return Visitor(self.bed.network, where, self.bed.network.addresses["web"], self.authority)

    @cached_property
    def olga(self) -> Visitor:
        """The operator, logged in."""
        visitor = self.visitor()
        visitor.log_in(OPERATOR, PASSWORD)
        return visitor

    @property
    def secrets(self) -> dict[str, str]:
        """Every secret of the site, by the file it is kept in."""
        found = {path.name: path.read_text().strip() for path in self.state.glob("*.secret")}
        for path in self.state.glob("*.json"):
            key: str = json.loads(path.read_text()).get("key", "")
            # One line of a private key is as telling as all.
            found[path.name] = key.strip().splitlines()[1] if key else ""
        return {name: value for name, value in found.items() if len(value) >= 20}
