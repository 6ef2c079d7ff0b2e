"""Nodes do not reach each other, or badly: nobody crashes, and ten seconds after healing all is as before."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.recovery import (
    dagster_back,
    no_service_restarted,
    nothing_lost,
    pages_back,
    trading_back,
    trading_state,
    watch_pages,
)
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
HEALED_SECONDS = 10


@pytest.fixture(autouse=True)
def healed(road: Road) -> Iterator[None]:
    """Whatever a failed test leaves behind is put right for the next."""
    yield
    road.bed.network.heal()


@pytest.mark.parametrize(("one", "other"), [("web", "db"), ("compute", "db"), ("web", "compute")])
def test_partition(road: Road, tell: Tell, one: str, other: str) -> None:
    """60 s. Without the database, pages say so; without compute, pages are whole."""
    with no_service_restarted(road), nothing_lost(road):
        road.bed.network.partition(one, other)
        seen = watch_pages(road, 60)
        alone = trading_state(road)
        road.bed.network.heal()
        started = time.monotonic()
        back = pages_back(road, HEALED_SECONDS)
        trading_back(road, HEALED_SECONDS)
        dagster_back(road, 60)
        told = time.monotonic() - started
    assert seen.refused == []
    assert seen.slowest <= 3
    if "compute" in (one, other) and "db" in (one, other):
        # The trader lives on what it has, and says that it cannot reach its database.
        assert alone == {"degraded"}
    if {one, other} == {"web", "db"}:
        assert seen.stale == seen.looks
        assert alone == {"ok"}
    tell(f"partition {one}–{other} 60 s", f"{seen}; Dagster whole after {told:.0f} s", back)


@pytest.mark.parametrize(
    "fault",
    ["20 % loss at db", "20 % loss at compute", "1 Mbit/s at db", "1 Mbit/s at web"],
    ids=lambda name: name.replace(" ", "-"),
)
def test_bad_line(road: Road, tell: Tell, fault: str) -> None:
    """For 60 s: slow, and nobody gives up."""
    node = fault.split()[-1]
    with no_service_restarted(road), nothing_lost(road):
        if "loss" in fault:
            road.bed.network.lose(node, 20)
        else:
            road.bed.network.slow(node, "1mbit")
        seen = watch_pages(road, 60)
        road.bed.network.heal()
        back = pages_back(road, HEALED_SECONDS)
        trading_back(road, HEALED_SECONDS)
    tell(fault, f"{seen}, {len(seen.refused)} refused", back)


def test_no_name_server(road: Road, tell: Tell) -> None:
    """Questions for names get no answer: nothing that Falcon does among its nodes asks for one."""
    resolver = "cp /etc/resolv.conf /run/resolv.kept; echo nameserver 192.168.1.1 > /etc/resolv.conf"
    for node in road.bed.nodes.values():
        node.console(resolver)
    try:
        with no_service_restarted(road):
            road.bed.network.swallow_names()
            seen = watch_pages(road, 10)
            took = road.quick_run(60)
    finally:
        for node in road.bed.nodes.values():
            node.console("cat /run/resolv.kept > /etc/resolv.conf")
        road.bed.network.heal()
    assert seen.refused == []
    assert seen.slowest <= 3
    tell("DNS gone", f"{seen}; a run took {took:.0f} s", 0)


def test_cable_pulled(road: Road, tell: Tell) -> None:
    """Compute is off the network for 60 s."""
    with nothing_lost(road):
        road.bed.network.cut("compute")
        seen = watch_pages(road, 60)
        road.bed.network.heal()
        back = pages_back(road, HEALED_SECONDS)
        trading_back(road, HEALED_SECONDS)
        wait_until(road.dagster_answers, 60, "Dagster has its code")
    assert seen.refused == []
    tell("compute's cable pulled 60 s", str(seen), back)
