"""Slows down who guesses passwords: after some failures in a row each further one makes the wait longer."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

FORGET = timedelta(hours=1)
"""Failures before a pause as long as this count no longer."""


@dataclass(frozen=True)
class Patience:
    """`free` failures cost nothing, then the wait doubles from `first_wait` up to `longest`, both in seconds."""

    free: int
    first_wait: float = 10.0
    longest: float = 300.0

    def wait(self, failures: Sequence[datetime], now: datetime) -> float:
        """Seconds until the next try after these failures, oldest first; 0 when it may be made now."""
        if not failures:
            return 0.0
        count, later = 0, now
        for failure in reversed(failures):
            if later - failure > FORGET:
                break
            count, later = count + 1, failure
        beyond = count - self.free
        if beyond < 0:
            return 0.0
        wait = min(self.longest, self.first_wait * 2.0 ** min(beyond, 30))
        return max(0.0, wait - (now - failures[-1]).total_seconds())


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
