"""One run of the operator's command over some nodes: asking them things, and keeping every other run away meanwhile."""

import fcntl
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
    """Some nodes of a site, and where to say what happens."""

    site: Site
    nodes: list[str]
    say: Say
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def answers(self, name: str, remote: str, timeout: float = 60) -> bool:
        """Whether a command succeeds on a node."""
        return ssh.ask(self.site, name, remote, timeout=timeout).returncode == 0

    def must(self, name: str, remote: str, what: str, timeout: float = 180, stdin: str | None = None) -> str:
        """What a command prints on a node; raises StepFailed naming the node and `what` was being done."""
        done = ssh.ask(self.site, name, remote, timeout=timeout, stdin=stdin)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or done.stdout.strip().splitlines()
            raise StepFailed(f"{name}: {what}: {said[-1] if said else f'exit code {done.returncode}'}")
        return done.stdout

    def role(self, name: str) -> str | None:
        """Which of Falcon's two sets of packages a node has; the database has none."""
        return next((role for role in ("compute", "web") if role in self.site.nodes[name].roles), None)

    def at_once(self, work: Callable[[str], Result], names: list[str]) -> list[Result]:
        """`work` on several nodes at the same time; raises the first error after all have ended."""
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            return [task.result() for task in [pool.submit(work, name) for name in names]]

    @contextmanager
    def alone(self, folder: Path) -> Iterator[None]:
        """One deploy at a time, whoever starts it.

        On this machine a locked file in `folder`; on each node a unit that ends by itself. Raises DeployError.
        """
        with (folder / "deploy.lock").open("w") as file:
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
        done = ssh.ask(
            self.site,
            name,
            f"sudo systemd-run --quiet --collect --unit={_LOCK} --description='deploy {self.token}' sleep {_LOCK_SECONDS}",
        )
        if done.returncode != 0:
            if "already" in done.stderr:
                raise DeployError(
                    f"{name}: another deploy is under way; wait for it, or: sudo systemctl stop {_LOCK}"
                )
            raise StepFailed(
                f"{name}: taking the lock: {(done.stderr.strip() or 'no message').splitlines()[-1]}"
            )

    def _give_back(self, name: str) -> None:
        ours = f"systemctl show -P Description {_LOCK} | grep -q {self.token} && sudo systemctl stop {_LOCK}; true"
        try:
            ssh.ask(self.site, name, ours)
        except StepFailed as error:
            # The lock ends by itself; what went wrong before this is what the operator has to read.
            self.say(f"the lock stays for {_LOCK_SECONDS // 60} minutes: {error}")
