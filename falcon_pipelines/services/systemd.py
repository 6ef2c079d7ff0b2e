"""Telling systemd how a service is, by its notification protocol (sd_notify(3)); silent anywhere else."""

import os
import socket


def tell(*states: str) -> bool:
    """Send states such as `READY=1` to the socket in NOTIFY_SOCKET; whether they were sent.

    A service manager that does not listen is no reason to fail.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.connect(address)
            out.sendall("\n".join(states).encode())
    except OSError:
        return False
    return True


def watchdog_seconds() -> float | None:
    """How often a sign of life is due (half of WatchdogSec), None when nobody waits for one."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant_for = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (meant_for and meant_for != str(os.getpid())):
        return None
    return int(microseconds) / 2_000_000


def status(text: str) -> str:
    """A line for `systemctl status`."""
    return "STATUS=" + " ".join(text.split())
