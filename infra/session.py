"""One run of the operator's command over some nodes: asking them things, and keeping every other run away meanwhile."""

import fcntl
import hashlib
import platform
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from infra import ssh
from infra.errors import DeployError, StepFailed
from infra.site import Site

Say = Callable[[str], None]
Result = TypeVar("Result")

_LOCK = "falcon-deploy-lock"
# Longer than any deploy; a deploy that died frees the nodes by itself after this.
_LOCK_SECONDS = 1800


@dataclass(frozen=True)
class Session:
    """Some nodes of a site, where to say what happens, and the operator's folder of secrets."""

    site: Site
    nodes: list[str]
    say: Say
    folder: Path
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def answers(self, name: str, remote: str, timeout: float = 60) -> bool:
        """Whether a command succeeds on a node."""
        return ssh.ask(self.site, name, remote, timeout=timeout).returncode == 0

    def must(self, name: str, remote: str, what: str, timeout: float = 180, stdin: str | None = None) -> str:
        """What a command prints on a node; raises StepFailed naming the node and `what` was being done."""
        done = ssh.ask(self.site, name, remote, timeout=timeout, stdin=stdin)
        if done.returncode != 0:
            raise StepFailed(
                f"{name}: {what}: {_telling(done.stderr + done.stdout) or f'exit code {done.returncode}'}"
            )
        return done.stdout

    def role(self, name: str) -> str | None:
        """Which of Falcon's two sets of packages a node has; the database has none."""
        return next((role for role in ("compute", "web") if role in self.site.nodes[name].roles), None)

    def kind(self, name: str) -> str:
        """What of Falcon's own a node runs: `compute`, `worker` or `web`."""
        return next((kind for kind in self.site.kinds(name) if kind in ("compute", "worker")), "web")

    def at_once(self, work: Callable[[str], Result], names: list[str]) -> list[Result]:
        """`work` on several nodes at the same time; raises the first error after all have ended."""
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            return [task.result() for task in [pool.submit(work, name) for name in names]]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One deploy at a time, whoever starts it.

        On this machine a locked file in the folder of secrets; on each node a unit that ends by itself. Raises DeployError.
        """
        with (self.folder / "deploy.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise DeployError(
                    "another deploy of this site is under way on this machine; wait for it"
                ) from error
            try:
                for name in self.nodes:
                    self._take(name)
                yield
            finally:
                for name in self.nodes:
                    self._give_back(name)

    def _take(self, name: str) -> None:
        take = (
            f"sudo systemd-run --quiet --collect --unit={_LOCK} "
            f"--description='deploy from {self._operator()} {self.token}' sleep {_LOCK_SECONDS}"
        )
        done = ssh.ask(self.site, name, take)
        if done.returncode != 0 and "already" in done.stderr:
            # This machine's own lock is held by us: a deploy from here that still holds the node's has died.
            dead = f"systemctl show -P Description {_LOCK} | grep -qF 'from {self._operator()} '"
            done = ssh.ask(self.site, name, f"{dead} && sudo systemctl stop {_LOCK} && {take}")
            if done.returncode != 0:
                raise DeployError(
                    f"{name}: another deploy is under way; wait for it, or: sudo systemctl stop {_LOCK}"
                )
        if done.returncode != 0:
            raise StepFailed(f"{name}: taking the lock: {_telling(done.stderr) or 'no message'}")

    def _operator(self) -> str:
        """This machine and folder of secrets, as other operators' machines may know it."""
        return hashlib.sha256(f"{platform.node()}:{self.folder}".encode()).hexdigest()[:16]

    def _give_back(self, name: str) -> None:
        ours = f"systemctl show -P Description {_LOCK} | grep -q {self.token} && sudo systemctl stop {_LOCK}; true"
        try:
            ssh.ask(self.site, name, ours)
        except StepFailed as error:
            # The lock ends by itself; what went wrong before this is what the operator has to read.
            self.say(f"the lock stays for {_LOCK_SECONDS // 60} minutes: {error}")


def _telling(output: str) -> str:
    """The line of a failed command's output that says what went wrong: the last that names an error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"Error\b|error:|FATAL", line)]
    return (errors or lines or [""])[-1]
