"""The base image of all nodes: Debian 12 as debootstrap makes it, with the packages that the roles install.

The nodes reach no registry, so everything a role may install is in the image already, disabled. It is built once
and kept in FALCON_BED_CACHE; FALCON_BED_BASE names one that is there already, and is only read.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.machine import run

SUITE = "bookworm"
BOOT = (
    "systemd systemd-sysv dbus libpam-systemd openssh-server python3 python3-venv sudo iproute2 iputils-ping nftables "
    "curl ca-certificates procps less netbase tzdata"
)
ROLES = (
    "postgresql postgresql-client pgbackrest nginx-light redis-server stunnel4 prometheus-node-exporter "
    "prometheus-postgres-exporter prometheus-nginx-exporter unattended-upgrades chrony faketime rsync openssl"
)
DISABLED = (
    "postgresql nginx redis-server chrony prometheus-node-exporter prometheus-postgres-exporter "
    "prometheus-nginx-exporter stunnel4 apt-daily.timer apt-daily-upgrade.timer unattended-upgrades nftables"
)


def cache() -> Path:
    """Where images and built wheels are kept between test runs."""
    return Path(os.environ.get("FALCON_BED_CACHE") or "/var/tmp/falcon-bed-cache")


def given_base() -> Path | None:
    """An image that is there already, by FALCON_BED_BASE."""
    given = os.environ.get("FALCON_BED_BASE")
    return Path(given) if given else None


def base_image() -> Path:
    """The folder of the image; builds it when it is not there, which takes about two minutes."""
    if (given := given_base()) is not None:
        return given
    wanted = hashlib.sha256(" ".join([SUITE, BOOT, ROLES, DISABLED]).encode()).hexdigest()[:12]
    image = cache() / f"base-{wanted}"
    if not image.is_dir():
        part = cache() / f"base-{wanted}.part"
        shutil.rmtree(part, ignore_errors=True)
        cache().mkdir(parents=True, exist_ok=True)
        _build(part)
        part.rename(image)
    return image


def _build(root: Path) -> None:
    run(
        [
            "debootstrap",
            "--variant=minbase",
            f"--include={BOOT.replace(' ', ',')}",
            SUITE,
            str(root),
            *_mirror(),
        ],
        timeout=1200,
    )
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    for source in sorted(Path("/etc/apt").glob("sources.list*")):
        target = root / "etc/apt" / source.name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    install = (
        "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && "
        f"apt-get -qqy --no-install-recommends install {ROLES} && apt-get clean"
    )
    with _nothing_starts(root):
        # A folder for temporary files of this machine is not there.
        run(["env", "-u", "TMPDIR", "chroot", str(root), "sh", "-c", install], timeout=1200)
    _prepare(root)


def _prepare(root: Path) -> None:
    """The operator's account; nothing that is one machine's own, and no service of a role's that starts by itself."""
    # Refused at once, instead of time-outs inside a network without a name server.
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    run(["chroot", str(root), "useradd", "--create-home", "--shell", "/bin/bash", "deploy"])
    sudoers = root / "etc/sudoers.d/deploy"
    sudoers.write_text("deploy ALL=(ALL) NOPASSWD:ALL\n")
    sudoers.chmod(0o440)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").write_text("")
    (root / "var/log/journal").mkdir(exist_ok=True)
    for unit in DISABLED.split():
        run(["systemctl", f"--root={root}", "disable", "--quiet", unit])


def _mirror() -> list[str]:
    """The mirror that the host itself takes Debian from."""
    texts = [path.read_text() for path in Path("/etc/apt").rglob("sources.list*") if path.is_file()]
    texts += [path.read_text() for path in Path("/etc/apt/sources.list.d").glob("*.sources")]
    found = re.findall(
        r"^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+/debian/?)(?=\s|$)", "\n".join(texts), re.MULTILINE
    )
    return found[:1]


@contextmanager
def _nothing_starts(root: Path) -> Iterator[None]:
    """Packages are installed without their services; /proc and /dev are there for their scripts."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    mounted = []
    try:
        for folder in ("proc", "dev"):
            run(["mount", "--bind", f"/{folder}", str(root / folder)])
            mounted.append(root / folder)
        yield
    finally:
        for place in reversed(mounted):
            run(["umount", str(place)])
        policy.unlink()
