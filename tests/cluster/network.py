"""The bed's network: a bridge with the site's real addresses, an operator, a client in the LAN, and somebody outside.

Every namespace carries the bed's prefix, so that several beds live beside each other; nothing else is touched.
"""

import ctypes
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infra.nodes.common import KERNEL
from tests.cluster.machine import run, succeeds

OPERATOR = "192.168.1.10"
GATEWAY = "192.168.1.1"
LAN_CLIENT = "192.168.1.50"
WAN_ROUTER = "198.51.100.1"
WAN_CLIENT = "198.51.100.2"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets that this thread makes in here belong to a network namespace, for as long as they live."""
    with (
        Path("/proc/thread-self/ns/net").open("rb") as home,
        Path(f"/run/netns/{namespace}").open("rb") as there,
    ):
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "setns")


class Network:
    """Namespaces `<prefix>-operator`, `-lan`, `-wan` and one for each node, joined by a bridge at the operator's."""

    def __init__(self, prefix: str, addresses: Mapping[str, str]) -> None:
        self.prefix = prefix
        self.addresses = dict(addresses)

    def name(self, who: str) -> str:
        """The namespace of a node, or of `operator`, `lan`, `wan`."""
        return f"{self.prefix}-{who}"

    def within(self, who: str) -> list[str]:
        """Start of a command line that runs in a namespace and sees everything else as it is."""
        return ["nsenter", f"--net=/run/netns/{self.name(who)}"]

    def up(self) -> None:
        """Make what is not there."""
        if not self._exists("operator"):
            self._make_hub()
        for node, address in self.addresses.items():
            self.join(node, address)
        self.join("lan", LAN_CLIENT)

    def join(self, who: str, address: str) -> None:
        """One more machine at the bridge."""
        if self._exists(who):
            return
        hub, name = self.name("operator"), self.name(who)
        run(["ip", "netns", "add", name])
        run(
            [
                "ip",
                "link",
                "add",
                f"p-{who}",
                "netns",
                hub,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                name,
            ]
        )
        self._hub("ip", "link", "set", f"p-{who}", "master", "br0", "up")
        for command in (
            "link set lo up",
            f"addr add {address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {GATEWAY}",
        ):
            run([*self.within(who), "ip", *command.split()])
        # What the deploy asks of the kernel a container may not set.
        key, value = KERNEL
        run([*self.within(who), "sysctl", "-qw", f"{key}={value}"])

    def leave(self, who: str) -> None:
        """Take a machine off the bridge."""
        if self._exists(who):
            run(["ip", "netns", "delete", self.name(who)])

    def down(self) -> None:
        """Remove every namespace of this bed."""
        for who in (*self.addresses, "lan", "wan", "operator"):
            self.leave(who)

    def cut(self, node: str) -> None:
        """Pull a node's cable."""
        self._hub("ip", "link", "set", f"p-{node}", "down")

    def partition(self, one: str, other: str) -> None:
        """Two nodes no longer reach each other, without either being told."""
        a, b = self.addresses[one], self.addresses[other]
        self._rules("partition", [f"ip saddr {a} ip daddr {b} drop", f"ip saddr {b} ip daddr {a} drop"])

    def lose(self, node: str, percent: int) -> None:
        """So many percent of a node's packets vanish, each way."""
        address = self.addresses[node]
        chance = f"numgen random mod 100 < {percent} drop"
        self._rules("loss", [f"ip daddr {address} {chance}", f"ip saddr {address} {chance}"])

    def slow(self, node: str, rate: str) -> None:
        """A node's line carries no more than `rate` (such as 1mbit) each way, by a token bucket."""
        bucket = ["root", "tbf", "rate", rate, "burst", "8kb", "latency", "800ms"]
        self._hub("tc", "qdisc", "replace", "dev", f"p-{node}", *bucket)
        run([*self.within(node), "tc", "qdisc", "replace", "dev", "eth0", *bucket])

    def swallow_names(self) -> None:
        """Questions to the LAN's name server get no answer at all."""
        run(
            [*self.within("operator"), "nft", "-f", "-"],
            stdin="table inet names { chain input { type filter hook input priority 0; "
            f"ip daddr {GATEWAY} udp dport 53 drop; ip daddr {GATEWAY} tcp dport 53 drop; }}; }}",
        )

    def heal(self) -> None:
        """Undo everything above."""
        for table in ("bridge partition", "bridge loss", "inet names"):
            command = [*self.within("operator"), "nft", "delete", "table", *table.split()]
            if succeeds([*self.within("operator"), "nft", "list", "table", *table.split()]):
                run(command)
        for node in self.addresses:
            self._hub("ip", "link", "set", f"p-{node}", "up")
            succeeds([*self.within("operator"), "tc", "qdisc", "del", "dev", f"p-{node}", "root"])
            succeeds([*self.within(node), "tc", "qdisc", "del", "dev", "eth0", "root"])
            # A link that comes up again has lost its routes.
            succeeds([*self.within(node), "ip", "route", "add", "default", "via", GATEWAY])

    def connect(self, who: str, address: str, port: int, timeout: float) -> socket.socket:
        """A TCP connection from one of the namespaces."""
        with inside(self.name(who)):
            return socket.create_connection((address, port), timeout)

    def answers(self, who: str, address: str, port: int, timeout: float = 1.0) -> bool:
        """Whether a port takes connections from one of the namespaces."""
        try:
            self.connect(who, address, port, timeout).close()
        except OSError:
            return False
        return True

    def _rules(self, table: str, rules: list[str]) -> None:
        body = "; ".join(rules)
        run(
            [*self.within("operator"), "nft", "-f", "-"],
            stdin=f"table bridge {table} {{ chain forward {{ type filter hook forward priority 0; {body}; }}; }}",
        )

    def _hub(self, *command: str) -> None:
        run([*self.within("operator"), *command])

    def _exists(self, who: str) -> bool:
        return Path(f"/run/netns/{self.name(who)}").exists()

    def _make_hub(self) -> None:
        run(["ip", "netns", "add", self.name("operator")])
        run(["ip", "netns", "add", self.name("wan")])
        line = ["ip", "link", "add", "p-wan", "netns", self.name("operator"), "type", "veth"]
        run([*line, "peer", "name", "eth0", "netns", self.name("wan")])
        for command in (
            "link set lo up",
            "link add br0 type bridge forward_delay 0",
            "link set br0 up",
            # The operator's address first: it is the source address of what the operator does.
            f"addr add {OPERATOR}/24 dev br0",
            f"addr add {GATEWAY}/24 dev br0",
            f"addr add {WAN_ROUTER}/24 dev p-wan",
            "link set p-wan up",
        ):
            self._hub("ip", *command.split())
        self._hub("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for command in (
            "link set lo up",
            f"addr add {WAN_CLIENT}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {WAN_ROUTER}",
        ):
            run([*self.within("wan"), "ip", *command.split()])
