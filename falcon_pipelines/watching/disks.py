"""How full the disks of the nodes are, as the exporter on each of them tells; asked from the others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

LOW_DISK_PERCENT = 10
_SECONDS = 3.0
_FREE, _SIZE = "node_filesystem_avail_bytes", "node_filesystem_size_bytes"
# In memory, or full by nature.
_NO_DISKS = frozenset({"tmpfs", "ramfs", "squashfs", "iso9660"})


class NoNumbers(Exception):
    """A node's exporter does not answer; whether the node is gone is told by others."""


@dataclass(frozen=True)
class Disk:
    """A file system of a node."""

    mount: str
    free_bytes: float
    size_bytes: float

    @property
    def percent_free(self) -> float:
        """What is left for programs that are not root's."""
        return 100 * self.free_bytes / self.size_bytes

    @property
    def low(self) -> bool:
        """Whether somebody has to make room."""
        return self.percent_free < LOW_DISK_PERCENT

    def __str__(self) -> str:
        return (
            f"{self.mount} has {self.free_bytes / 2**30:.1f} of {self.size_bytes / 2**30:.1f} GiB left "
            f"({self.percent_free:.0f} %)"
        )


def disks_at(address: str) -> list[Disk]:
    """The disks of the node whose exporter is at `address`, by mount. Raises NoNumbers."""
    try:
        with urlopen(f"http://{address}/metrics", timeout=_SECONDS) as reply:
            return disks_in(reply.read().decode())
    except (OSError, ValueError, HTTPException) as error:
        raise NoNumbers(f"the exporter at {address} does not answer: {error}") from error


def disks_in(metrics: str) -> list[Disk]:
    """The disks that a node exporter's text tells of, by mount. Raises ValueError for what is no such text."""
    free: dict[str, float] = {}
    size: dict[str, float] = {}
    for family in text_string_to_metric_families(metrics):
        into = {_FREE: free, _SIZE: size}.get(family.name)
        if into is not None:
            for sample in family.samples:
                if sample.labels["fstype"] not in _NO_DISKS:
                    into[sample.labels["mountpoint"]] = sample.value
    return [Disk(mount, free[mount], size[mount]) for mount in sorted(free) if size.get(mount)]


def fullness(nodes: Mapping[str, str]) -> Iterator[tuple[str, list[Disk]]]:
    """The disks of each node that tells of them."""
    for node, address in nodes.items():
        try:
            yield node, disks_at(address)
        except NoNumbers:
            continue
