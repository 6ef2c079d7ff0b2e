"""The test bed: the nodes of a site, booted, at their addresses, with everything that can be done to them.

Everything it makes carries its prefix (FALCON_BED_PREFIX, default `falconbed`) or is in its folder (FALCON_BED,
default /var/tmp/falcon-bed/<prefix>), so that beds live beside each other.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster.image import base_image
from tests.cluster.machine import run
from tests.cluster.network import Network
from tests.cluster.node import Node
from tests.cluster.waiting import wait_until

ADDRESSES = {"db": "192.168.1.194", "compute": "192.168.1.232", "web": "192.168.1.162"}
MORE = {"compute2": "192.168.1.233"}
KINDS = {"compute2": "compute"}
BOOT_SECONDS = 60


class Bed:
    """The nodes by name, and their network."""

    def __init__(self, prefix: str, folder: Path) -> None:
        self.prefix, self.folder = prefix, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.base = base_image()
        added = {name: address for name, address in MORE.items() if (folder / name).exists()}
        self.network = Network(prefix, ADDRESSES | added)
        self.nodes = {name: self._node(name) for name in self.network.addresses}
        self.key = folder / "id_ed25519"
        if not self.key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)])

    @property
    def db(self) -> Node:
        """The database node."""
        return self.nodes["db"]

    @property
    def compute(self) -> Node:
        """The first compute node."""
        return self.nodes["compute"]

    @property
    def web(self) -> Node:
        """The web node."""
        return self.nodes["web"]

    @property
    def known_hosts(self) -> Path:
        """The operator's file of known hosts."""
        return self.folder / "known_hosts"

    def up(self) -> None:
        """Make and start everything that is not there; returns when every node lets the operator in."""
        self.network.up()
        for name in self.nodes:
            self._seed(name)
        for name in self.nodes:
            self.start(name, wait=False)
        for name in self.nodes:
            self.await_ssh(name)

    def add(self, name: str) -> Node:
        """One more node of MORE, started."""
        self.network.addresses[name] = MORE[name]
        self.network.join(name, MORE[name])
        self.nodes[name] = self._node(name)
        self._seed(name)
        self.start(name)
        return self.nodes[name]

    def remove(self, name: str) -> None:
        """Take an added node away, with everything of it."""
        self.nodes.pop(name).wipe()
        self.network.leave(name)
        del self.network.addresses[name]
        self._forget(MORE[name])

    def start(self, name: str, *, wait: bool = True) -> None:
        """Switch a node on."""
        self.nodes[name].start(self.network.name(name))
        if wait:
            self.await_ssh(name)

    def cut_power(self, *names: str) -> None:
        """The nodes are gone at once, all at the same moment."""
        for name in names:
            self.nodes[name].cut_power()
        for name in names:
            self.nodes[name].clear()

    def replace(self, name: str) -> None:
        """A fresh machine in the place of a node: nothing of the old one is left."""
        self.nodes[name].wipe()
        self._forget(self.network.addresses[name])
        self._seed(name)
        self.start(name)

    def await_ssh(self, name: str) -> float:
        """Wait until a node takes ssh connections from the operator; in how many seconds."""
        address = self.network.addresses[name]
        return wait_until(
            lambda: self.network.answers("operator", address, 22), BOOT_SECONDS, f"{name} boots", every=0.1
        )

    def down(self) -> None:
        """Shut every node down; what they keep stays."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(Node.stop, self.nodes.values()))

    def wipe(self) -> None:
        """Remove every trace of the bed."""
        for node in self.nodes.values():
            node.wipe()
        self.network.down()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget(self, address: str) -> None:
        """The operator no longer knows the machine at this address."""
        if self.known_hosts.exists():
            run(["ssh-keygen", "-q", "-R", address, "-f", str(self.known_hosts)])

    def _seed(self, name: str) -> None:
        names = {other: address for other, address in self.network.addresses.items() if other != name}
        self.nodes[name].seed(names, self.key.with_suffix(".pub").read_text())

    def _node(self, name: str) -> Node:
        return Node(self.prefix, name, KINDS.get(name, name), self.folder / name, self.base)


def bed_from_environment() -> Bed:
    """The bed that the environment names."""
    prefix = os.environ.get("FALCON_BED_PREFIX") or "falconbed"
    return Bed(prefix, Path(os.environ.get("FALCON_BED") or f"/var/tmp/falcon-bed/{prefix}"))
