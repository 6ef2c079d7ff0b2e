"""Slows down who guesses passwords: after some failures in a row each further one makes the wait longer."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FORGET_SECONDS = 3600.0
KEPT = 10_000


@dataclass
class _Failures:
    count: int
    latest: float
    wait_until: float


class Throttle:
    """Counts failures by key: `free` of them cost nothing, then the wait doubles from `first_wait` up to `longest`."""

    def __init__(
        self,
        free: int,
        first_wait: float = 10.0,
        longest: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = free
        self._first_wait = first_wait
        self._longest = longest
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until this key may try again; 0 when it may now."""
        found = self._failures.get(key)
        return 0.0 if found is None else max(0.0, found.wait_until - self._clock())

    def attempt(self, key: str) -> None:
        """Count a try as a failure until it is known to be none, so that many at once gain nothing."""
        now = self._clock()
        found = self._failures.pop(key, None)
        if found is None or now - found.latest > FORGET_SECONDS:
            found = _Failures(0, now, now)
        found.count += 1
        found.latest = now
        beyond = found.count - self._free
        if beyond >= 0:
            found.wait_until = now + min(self._longest, self._first_wait * 2.0 ** min(beyond, 30))
        self._failures[key] = found
        while len(self._failures) > KEPT:
            self._failures.popitem(last=False)

    def forget(self, key: str) -> None:
        """The right password: start again from nothing."""
        self._failures.pop(key, None)

    def take_back(self, key: str) -> None:
        """The try could not be judged, or was right: it does not count."""
        found = self._failures.get(key)
        if found is not None:
            found.count -= 1
            found.wait_until = min(found.wait_until, self._clock())


def network_of(address: str) -> str:
    """What one person holds: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
