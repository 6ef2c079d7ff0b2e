"""Waiting for what must come true, with how long it took."""

import time
from collections.abc import Callable

Condition = Callable[[], object]


class NotInTime(AssertionError):
    """What had to come true did not, within its time."""


def wait_until(condition: Condition, seconds: float, what: str, *, every: float = 0.5) -> float:
    """Ask until the condition holds; how many seconds that took. An exception counts as no, and the last is told."""
    started = time.monotonic()
    last: object = None
    while True:
        try:
            last = condition()
            if last:
                return time.monotonic() - started
        except Exception as error:  # noqa: BLE001 - during a fault, anything may go wrong in asking
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() - started > seconds:
            raise NotInTime(f"not within {seconds:.0f} s: {what} (last: {last})")
        time.sleep(every)


def hold(condition: Condition, seconds: float, what: str, *, every: float = 1.0) -> None:
    """The condition holds all the while; an exception is a failure of its own."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        assert found, f"did not hold: {what} ({found!r})"
        time.sleep(every)
