"""kill -9 of every process: back within 30 s, and nothing doubled or lost."""

import time
from collections.abc import Callable

import pytest

from tests.cluster.recovery import POSTGRESQL, dagster_back, nothing_lost, pages_back, trading_back, unit_back
from tests.cluster.road import Road

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
BACK_SECONDS = 30
VICTIMS = [
    ("compute", "falcon-code-server.service"),
    ("compute", "falcon-trader.service"),
    ("web", "falcon-dagster-daemon.service"),
    ("web", "falcon-dashboard.service"),
    ("web", "nginx.service"),
    ("db", POSTGRESQL),
]


@pytest.mark.parametrize(("name", "unit"), VICTIMS, ids=lambda value: value.removesuffix(".service"))
def test_killed(road: Road, tell: Tell, name: str, unit: str) -> None:
    node = road.bed.nodes[name]
    started = time.monotonic()
    with nothing_lost(road):
        pid = node.main_pid(unit)
        assert pid
        started = time.monotonic()
        node.console(f"kill -9 {pid}")
        unit_back(node, unit, pid, BACK_SECONDS)
        pages_back(road, BACK_SECONDS)
        if "trader" in unit or "feed" in unit or name == "db":
            trading_back(road, BACK_SECONDS)
        back = time.monotonic() - started
        dagster_back(road, 60)
    assert back <= BACK_SECONDS
    tell(f"kill -9 {unit.removesuffix('.service')}", "back by itself, books balance", back)
