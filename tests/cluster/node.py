"""One booted node: systemd as PID 1 in a container of systemd-nspawn, over an overlay of the base image."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.cluster.machine import PROCESSOR, CommandFailed, run, succeeds, unified

DISKS = {"db": ("/var/lib/postgresql", 2048), "compute": ("/var/lib/falcon/market_data", 512)}
"""Disks of their own that can be filled: where they are mounted, by the kind of node, and megabytes."""
PROCESSOR_SHARE = 8192
"""Eight times what anything else here gets: the time limits are those of nodes that do nothing else."""


class Node:
    """A node of the bed `prefix`, kept in `folder`; `kind` is what it is started for (db, compute, web)."""

    def __init__(self, prefix: str, name: str, kind: str, folder: Path, base: Path) -> None:
        self.name, self.kind = name, kind
        self._machine = f"{prefix}-{name}"
        self._folder, self._base = folder, base
        self._root = folder / "root"
        hierarchy = unified()
        assert hierarchy is not None
        self._cgroup = hierarchy / self._machine
        self._share = PROCESSOR / self._machine
        self._container: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        """The node's file system, as seen from here."""
        return self._root

    @property
    def running(self) -> bool:
        """Whether any process of the node lives."""
        return bool(self.processes())

    def seed(self, names: Mapping[str, str], public_key: str) -> None:
        """Make the node's own file system: host keys, names of the others, the operator's key."""
        for part in ("upper", "work", "root"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        self._mount()
        if (self._folder / "seeded").exists():
            return
        etc = self._root / "etc"
        (etc / "hostname").write_text(f"falcon-{self.name}\n")
        lines = ["127.0.0.1 localhost", f"127.0.1.1 falcon-{self.name}"]
        lines += [f"{address} falcon-{name}" for name, address in names.items()]
        (etc / "hosts").write_text("\n".join(lines) + "\n")
        for key in (etc / "ssh").glob("ssh_host_*"):
            key.unlink()
        run(["chroot", str(self._root), "ssh-keygen", "-q", "-A"])
        keys = self._root / "home/deploy/.ssh"
        keys.mkdir(mode=0o700, exist_ok=True)
        (keys / "authorized_keys").write_text(public_key)
        run(["chroot", str(self._root), "chown", "-R", "deploy:deploy", "/home/deploy/.ssh"])
        (self._folder / "seeded").touch()

    def start(self, network_namespace: str) -> None:
        """Switch the node on."""
        if self.running:
            return
        self._mount()
        self._cgroup.mkdir(exist_ok=True)
        command = [
            *(
                "systemd-nspawn",
                "--quiet",
                "--boot",
                f"--directory={self._root}",
                f"--machine={self._machine}",
            ),
            *(f"--hostname=falcon-{self.name}", "--register=no", "--keep-unit", "--link-journal=no"),
            *("--resolv-conf=off", "--timezone=off", "--console=pipe", "--capability=CAP_NET_ADMIN"),
            f"--network-namespace-path=/run/netns/{network_namespace}",
            *(f"--bind={source}:{target}" for source, target in self._disks()),
        ]
        environment = {"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        groups = [self._cgroup]
        if (PROCESSOR / "cpu.shares").exists():
            self._share.mkdir(exist_ok=True)
            (self._share / "cpu.shares").write_text(str(PROCESSOR_SHARE))
            groups.append(self._share)
        joins = [f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))}" for group in groups]
        join = " && ".join([*joins, f"exec {shlex.join(command)}"])
        with (self._folder / "console.log").open("wb") as console:
            self._container = subprocess.Popen(
                ["sh", "-c", join],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        (self._folder / "pid").write_text(str(self._container.pid))

    def stop(self, seconds: float = 60) -> None:
        """Shut the node down as its power button does; what will not end in time is cut off."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(int((self._folder / "pid").read_text()), signal.SIGTERM)
        self._ended(seconds)

    def cut_power(self) -> None:
        """Every process of the node ends at once, without a word."""
        if self._cgroup.exists():
            (self._cgroup / "cgroup.kill").write_text("1")

    def clear(self) -> None:
        """After the power is gone: take apart what the container leaves behind on this machine."""
        self._ended(20)

    def freeze(self) -> None:
        """The node hangs: its sockets stay open and nothing answers."""
        (self._cgroup / "cgroup.freeze").write_text("1")

    def thaw(self) -> None:
        """The node goes on where it was."""
        (self._cgroup / "cgroup.freeze").write_text("0")

    def wipe(self) -> None:
        """Throw the node away, disks and all."""
        self.cut_power()
        self.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def console(self, command: str, *, timeout: float = 60, check: bool = True) -> str:
        """Run a shell command as root on the node's own console, which needs no network; gives stdout back."""
        line = ["nsenter", f"--target={self.init()}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [*line, "/bin/sh", "-c", f"cd / && {command}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise CommandFailed(
                f"{self.name}: {command[:200]}: {done.stderr.strip()[-500:] or done.returncode}"
            )
        return done.stdout

    def says(self, command: str, timeout: float = 60) -> bool:
        """Whether a command succeeds on the console."""
        try:
            self.console(command, timeout=timeout)
        except (CommandFailed, subprocess.TimeoutExpired, OSError):
            return False
        return True

    def psql(self, query: str, database: str = "falcon") -> str:
        """The values of a query, on the database node, as its administrator."""
        return self.console(
            f"runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d {database} -c {shlex.quote(query)}"
        ).strip()

    def main_pid(self, unit: str) -> int:
        """The process id, on the node, of a unit; 0 while it is not running."""
        return int(self.console(f"systemctl show -P MainPID {unit}").strip() or 0)

    def restarts(self) -> dict[str, int]:
        """How often systemd had to restart each of Falcon's services, and those of others that it stands on."""
        shown = self.console(
            "for u in $(systemctl list-units --plain --no-legend --all 'falcon-*.service' 'postgresql@*' "
            "nginx.service redis-server.service | awk '{print $1}'); do echo $u $(systemctl show -P NRestarts $u); done"
        )
        return {unit: int(count) for unit, count in (line.split() for line in shown.splitlines())}

    def fill_disk(self) -> None:
        """Leave no byte free on the node's own disk."""
        target, _ = DISKS[self.kind]
        # In two goes: what is left after the large one goes byte by byte.
        self.console(
            f"fallocate -l $(df --output=avail -B1 {target} | tail -1) {target}/ballast; "
            f"cat /dev/zero > {target}/ballast.rest 2>/dev/null; true"
        )

    def free_disk(self) -> None:
        """Give the space back."""
        target, _ = DISKS[self.kind]
        self.console(f"rm -f {target}/ballast {target}/ballast.rest")

    def init(self) -> int:
        """The process that is PID 1 on the node."""
        for process in self.processes():
            with suppress(OSError):
                status = Path(f"/proc/{process}/status").read_text()
                spaces = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
                if len(spaces) > 1 and spaces[-1] == "1":
                    return process
        raise CommandFailed(f"{self.name} is off")

    def processes(self) -> list[int]:
        """Process ids, on this machine, of everything that runs on the node."""
        found: list[int] = []
        # Groups come and go meanwhile: os.walk passes over what is gone.
        for folder, _, _ in os.walk(self._cgroup):
            with suppress(OSError):
                found += [int(line) for line in Path(folder, "cgroup.procs").read_text().split()]
        return sorted({*found})

    def _mount(self) -> None:
        if os.path.ismount(self._root):
            return
        layers = f"lowerdir={self._base},upperdir={self._folder}/upper,workdir={self._folder}/work"
        run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self._root)])

    def _disks(self) -> list[tuple[Path, str]]:
        """The node's own disk, made and mounted; what the image has in its place is on it."""
        if self.kind not in DISKS:
            return []
        target, megabytes = DISKS[self.kind]
        image, mounted = self._folder / "disk.img", self._folder / "disk"
        mounted.mkdir(exist_ok=True)
        below = self._root / target.lstrip("/")
        below.mkdir(parents=True, exist_ok=True)
        if not image.exists():
            with image.open("wb") as file:
                file.truncate(megabytes * 1024 * 1024)
            run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)])
        if not os.path.ismount(mounted):
            run(["mount", "-o", "loop", str(image), str(mounted)])
        if (mounted / "lost+found").exists():
            (mounted / "lost+found").rmdir()
            run(["cp", "-a", f"{below}/.", str(mounted)])
            run(["chown", f"--reference={below}", str(mounted)])
        return [(mounted, target)]

    def _ended(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.running:
            self.cut_power()
            while self.running and time.monotonic() < deadline + 20:
                time.sleep(0.1)
        if self._container is not None:
            self._container.wait()
            self._container = None
        for place in (self._root, self._folder / "disk"):
            if os.path.ismount(place):
                run(["umount", str(place)])
        (self._folder / "pid").unlink(missing_ok=True)
        for root in (self._cgroup, self._share, Path("/sys/fs/cgroup/systemd") / self._machine):
            if root.exists():
                succeeds(["find", str(root), "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"])
