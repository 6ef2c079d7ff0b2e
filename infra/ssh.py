"""How the operator's machine reaches the nodes: one place for ssh's options, for pyinfra, rsync and plain commands."""

import os
import subprocess
from pathlib import Path
from typing import Any

from infra.errors import StepFailed
from infra.site import Site


def _key() -> str | None:
    return os.environ.get("FALCON_SSH_KEY")


def _known_hosts() -> str:
    return os.environ.get("FALCON_SSH_KNOWN_HOSTS") or str(Path.home() / ".ssh" / "known_hosts")


def connection(site: Site, name: str) -> dict[str, Any]:
    """pyinfra's connection data of a node."""
    node = site.nodes[name]
    data: dict[str, Any] = {
        "ssh_hostname": node.address,
        "ssh_port": node.ssh_port,
        "ssh_user": site.site.ssh_user,
        "ssh_known_hosts_file": _known_hosts(),
        "ssh_strict_host_key_checking": "accept-new",
    }
    if key := _key():
        data |= {"ssh_key": key, "ssh_allow_agent": False, "ssh_look_for_keys": False}
    return data


def command(site: Site, name: str) -> list[str]:
    """The ssh command line up to, and without, the destination."""
    return [
        *("ssh", "-p", str(site.nodes[name].ssh_port)),
        *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "StrictHostKeyChecking=accept-new"),
        *("-o", f"UserKnownHostsFile={_known_hosts()}", "-o", "LogLevel=ERROR"),
        *(("-i", key) if (key := _key()) else ()),
    ]


def destination(site: Site, name: str) -> str:
    """user@address."""
    return f"{site.site.ssh_user}@{site.nodes[name].address}"


def ask(
    site: Site, name: str, remote: str, *, stdin: str | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command on a node and give its output back, whatever its exit code; raises StepFailed without ssh."""
    line = [*command(site, name), destination(site, name), remote]
    try:
        done = subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise StepFailed(f"{name}: no answer within {timeout:.0f} s") from error
    if done.returncode == 255:
        said = done.stderr.strip().splitlines()[-1:] or ["no ssh"]
        if "Host key verification failed" in said[0]:
            address = site.nodes[name].address
            said = [f"its ssh key is another than before; if the machine is new: ssh-keygen -R {address}"]
        raise StepFailed(f"{name}: {said[0].removesuffix('.')}")
    return done


def upload(site: Site, name: str, sources: list[Path], target: str) -> None:
    """Copy files into a folder of root's on a node; what is there with the same size and time stays."""
    line = [
        *(
            "rsync",
            "--archive",
            "--no-owner",
            "--no-group",
            "--chmod=D755,F644,Fa+X",
            "--rsync-path=sudo rsync",
        ),
        *("-e", " ".join(command(site, name))),
        *(str(source) for source in sources),
        f"{destination(site, name)}:{target}",
    ]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise StepFailed("rsync is not on this machine; install it (apt install rsync)") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise StepFailed(f"{name}: uploading to {target}: {said[-1] if said else 'rsync failed'}")
