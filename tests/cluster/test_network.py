"""A hung database, links that are cut, lossy or slow, and no DNS: nothing crashes, and all is well soon after."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from infra.layout import TRADER_PORT
from tests.cluster.bed import Bed
from tests.cluster.conftest import Effort
from tests.cluster.network import GATEWAY
from tests.cluster.recovery import (
    PAGE_SECONDS,
    all_back,
    no_service_restarted,
    nothing_lost,
    said,
    watch_pages,
)
from tests.cluster.road import Road
from tests.cluster.stops import stop_on_its_way
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
RECOVERY_SECONDS = 10
SAID_WITHIN_SECONDS = 30


@dataclass(frozen=True)
class Fault:
    """Something wrong with the network or a node of it, and what of Falcon it takes away."""

    name: str
    begin: Callable[[Bed], None]
    end: Callable[[Bed], None] = lambda bed: bed.network.heal()
    pages_in_time: bool = True
    """Whether pages have to come within their three seconds all the while."""
    trader_alone: bool = False
    """Whether the trader is cut off from its database."""


def _resolver(bed: Bed, address: str) -> None:
    for node in bed.nodes.values():
        node.console(f"echo nameserver {address} > /etc/resolv.conf")


def _no_names(bed: Bed) -> None:
    _resolver(bed, GATEWAY)
    bed.network.swallow_names()


def _names_again(bed: Bed) -> None:
    bed.network.heal()
    _resolver(bed, "127.0.0.1")


FAULTS = [
    Fault("db frozen", lambda bed: bed.db.freeze(), lambda bed: bed.db.thaw(), trader_alone=True),
    Fault("web-db cut", lambda bed: bed.network.partition("web", "db")),
    Fault("compute-db cut", lambda bed: bed.network.partition("compute", "db"), trader_alone=True),
    Fault("web-compute cut", lambda bed: bed.network.partition("web", "compute")),
    Fault("20 % of db's packets lost", lambda bed: bed.network.lose("db", 20), pages_in_time=False),
    Fault("20 % of compute's packets lost", lambda bed: bed.network.lose("compute", 20)),
    Fault("1 Mbit/s to db", lambda bed: bed.network.slow("db", "1mbit"), pages_in_time=False),
    Fault("1 Mbit/s to compute", lambda bed: bed.network.slow("compute", "1mbit")),
    Fault("DNS gone", _no_names, _names_again),
]


@contextmanager
def _happening(fault: Fault, bed: Bed) -> Iterator[None]:
    fault.begin(bed)
    try:
        yield
    finally:
        fault.end(bed)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_network(trading: Road, tell: Tell, effort: Effort, fault: Fault) -> None:
    # Long enough for the market to reach a stop.
    seconds = 60 if fault.trader_alone else effort.times(60, 30)
    with nothing_lost(trading), no_service_restarted(trading):
        stop = stop_on_its_way(trading) if fault.trader_alone else None
        with _happening(fault, trading.bed):
            began = time.monotonic()
            if fault.trader_alone:
                wait_until(
                    lambda: "resting orders stand" in (said(trading, TRADER_PORT).get("detail") or ""),
                    SAID_WITHIN_SECONDS,
                    "the trader says that it works on with what it has",
                )
            seen = watch_pages(trading, max(5, seconds - (time.monotonic() - began)))
        back = all_back(trading, RECOVERY_SECONDS)
        trading.quick_run()
        if stop is not None:
            stop.require_fill(trading)
    if fault.pages_in_time:
        assert seen.refused == []
        assert seen.slowest <= PAGE_SECONDS
    told = "" if stop is None else "; a stop that was reached meanwhile filled on its bar at its price"
    tell(f"{fault.name}, {seconds} s", f"{seen}{told}", back)
