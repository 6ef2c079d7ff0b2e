"""What the machine that carries the bed must be able to do, and the commands run on it."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

TOOLS = ("systemd-nspawn", "nsenter", "ip", "nft", "tc", "ssh", "ssh-keygen", "rsync", "mkfs.ext4", "losetup")
PROCESSOR = Path("/sys/fs/cgroup/cpu")
"""Where a machine with the older kind of groups shares out its processor."""
CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))


class CommandFailed(Exception):
    """A command of the bed's own did not do what it had to."""


def obstacle(base: Path | None) -> str | None:
    """Why no bed can be made here, in words; None when one can. Without a base image it must be possible to build one."""
    if os.geteuid() != 0:
        return "three booted nodes need root (sudo make test-cluster)"
    missing = [tool for tool in (*TOOLS, *(() if base else ("debootstrap",))) if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt install systemd-container debootstrap nftables iproute2 rsync)"
    if unified() is None:
        return "no unified cgroup hierarchy with cgroup.kill and cgroup.freeze"
    return None


def unified() -> Path | None:
    """The root of the unified cgroup hierarchy."""
    return next((root for root in CGROUPS if (root / "cgroup.procs").exists()), None)


def run(command: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
    """Run a command to its end and give its output back; raises CommandFailed with what it said."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CommandFailed(f"{' '.join(command)}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def succeeds(command: Sequence[str]) -> bool:
    """Whether a command ends with 0; its output is nobody's."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
