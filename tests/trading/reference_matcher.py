"""A second, plain implementation of the fill rules for one position: written from the design's table, not from ours.

Long only, one market or limit entry with a stop, a target and a percent trail, no costs, no volume limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Bar = tuple[float, float, float, float]
"""Open, high, low, close."""


@dataclass(frozen=True)
class Trade:
    """What happened: (bar, price) of entry and exit, and whether the exit's bar was ambiguous."""

    entry: tuple[int, float] | None = None
    exit: tuple[int, float] | None = None
    by: str | None = None
    ambiguous: bool = False


def trade(
    bars: Sequence[Bar], limit: float | None, stop: float | None, target: float | None, trail: float | None
) -> Trade:
    """Enter as soon as allowed, then leave by whichever rule comes first."""
    for start, bar in enumerate(bars):
        price = _entry(bar, limit)
        if price is None:
            continue
        at_open = limit is None or bar[0] < limit  # a limit at the open is passed only later in the bar
        best = price
        for number in range(start, len(bars)):
            level = max(
                (x for x in (stop, best * (1 - trail / 100) if trail else None) if x is not None),
                default=None,
            )
            found = _leave(bars[number], level, target, inside=number == start and not at_open, entry=price)
            if found is not None:
                exit_price, by, ambiguous = found
                return Trade((start, price), (number, exit_price), by, ambiguous)
            _, high, _, close = bars[number]
            best = max(best, close if number == start and not at_open else high)
        return Trade((start, price))
    return Trade()


def _entry(bar: Bar, limit: float | None) -> float | None:
    open_, _, low, _ = bar
    if limit is None:
        return open_
    if open_ < limit:
        return open_
    return limit if low < limit else None


def _leave(
    bar: Bar, stop: float | None, target: float | None, *, inside: bool, entry: float
) -> tuple[float, str, bool] | None:
    """How a position held over a bar ends on it; `inside` is one that was entered by a limit within the bar."""
    open_, high, low, close = bar
    if inside:  # the low made the entry: it is also what the stop sees; the high may have come before
        stopped = stop is not None and low <= min(stop, entry)
        reached = target is not None and close > target
        if stopped:
            assert stop is not None
            return min(stop, entry), "stop", reached
        if reached:
            assert target is not None
            return max(target, entry), "target", False
        return None
    if stop is not None and open_ <= stop:
        return open_, "stop", False
    if target is not None and open_ > target:
        return open_, "target", False
    stopped = stop is not None and low <= stop
    reached = target is not None and high > target
    if stopped:
        assert stop is not None
        return stop, "stop", reached
    if reached:
        assert target is not None
        return target, "target", False
    return None
