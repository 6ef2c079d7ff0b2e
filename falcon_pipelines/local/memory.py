"""Peak memory of this process and all its descendants together, sampled in the background."""

import re
import resource
import sys
import threading
from pathlib import Path
from types import TracebackType

import psutil

_INTERVAL_SECONDS = 0.5


def peak_rss_mb() -> float:
    """The largest resident set of this process so far, in MiB.

    Linux counts `ru_maxrss` from before the program was loaded, so a small child of a large process looks large;
    VmHWM starts with the program.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        unit = 1024 * 1024 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return int(re.findall(r"^VmHWM:\s+(\d+) kB", status, flags=re.MULTILINE)[0]) / 1024


class PeakMemory:
    """Context manager; `peak_mb` is the largest proportional set size (PSS) seen, in MiB.

    PSS counts a page shared by several processes once, so the sum over processes is what the machine needs.
    `include` adds processes that are not our children, such as the database server.
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._extra: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.sample()

    def include(self, pid: int | None) -> None:
        """Count this process and its descendants too."""
        if pid is not None:
            self._extra.append(pid)

    def sample(self) -> None:
        """Look now, not only at the next interval."""
        self.peak_mb = max(self.peak_mb, self._now_mb())

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            self.sample()

    def _now_mb(self) -> float:
        seen: dict[int, float] = {}
        for root in (psutil.Process().pid, *self._extra):
            try:
                family = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            for process in family:
                if process.pid in seen:
                    continue
                try:
                    memory = process.memory_full_info()
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
                seen[process.pid] = float(getattr(memory, "pss", memory.rss))
        return sum(seen.values()) / 2**20
