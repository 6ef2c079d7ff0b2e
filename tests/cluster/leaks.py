"""Looks for secrets where others than root could read them: on a node's process list, and in its readable files."""

import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tests.cluster.machine import CommandFailed
from tests.cluster.node import Node

FOLDERS = (
    "etc",
    "tmp",
    "var/tmp",
    "run",
    "dev/shm",
    "home",
    "root",
    "opt/falcon/incoming",
    "var/lib/falcon",
    "var/log",
    "srv",
)
_LARGEST = 4_000_000


def in_processes(node: Node, secrets: Mapping[str, str]) -> set[str]:
    """Secrets in the arguments of processes."""
    found = set()
    for process in node.processes():
        with suppress(OSError):
            arguments = Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace")
            found |= {
                f"{node.name}: arguments of a process show {n}" for n, s in secrets.items() if s in arguments
            }
    return found


def in_files(node: Node, secrets: Mapping[str, str], folders: tuple[str, ...] = FOLDERS) -> set[str]:
    """Secrets in files that everybody may read, by name."""
    found: set[str] = set()
    try:
        top = Path(f"/proc/{node.init()}/root")
    except CommandFailed:
        return found
    for folder in folders:
        for path in _readable(top / folder):
            with suppress(OSError):
                if path.stat().st_size > _LARGEST:
                    continue
                text = path.read_bytes().decode("utf-8", "replace")
                found |= {
                    f"{node.name}: /{path.relative_to(top)} shows {n} to everybody"
                    for n, s in secrets.items()
                    if s in text
                }
    return found


def _readable(folder: Path) -> Iterator[Path]:
    """Regular files that somebody without any rights reaches and reads."""
    try:
        entries = list(os.scandir(folder)) if folder.stat().st_mode & stat.S_IXOTH else []
    except OSError:
        return
    for entry in entries:
        with suppress(OSError):
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from _readable(Path(entry.path))
            elif stat.S_ISREG(mode) and mode & stat.S_IROTH:
                yield Path(entry.path)


class Watch:
    """Context manager: looks again and again while something is done; `found` is everything that was ever seen."""

    def __init__(self, nodes: list[Node], secrets: Callable[[], Mapping[str, str]]) -> None:
        self.found: set[str] = set()
        self.looks = 0
        self._nodes, self._secrets = nodes, secrets
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        passing = (
            "tmp",
            "var/tmp",
            "run",
            "dev/shm",
            "home",
            "opt/falcon/incoming",
            "etc/falcon",
            "etc/postgresql",
        )
        while not self._ended.is_set():
            secrets = self._secrets()
            for node in self._nodes:
                self.found |= in_processes(node, secrets) | in_files(node, secrets, passing)
            self.looks += 1
            self._ended.wait(0.05)
