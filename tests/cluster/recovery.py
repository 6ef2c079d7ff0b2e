"""What every fault is judged by: people see an honest page all along, and afterwards everything is as before."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from infra.layout import FEED_PORT, TRADER_PORT
from tests.cluster.books import books_balance, committed
from tests.cluster.node import Node
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

PAGE_SECONDS = 3.0
POSTGRESQL = "postgresql@15-main.service"
STUCK_SECONDS = 300


@dataclass
class Watched:
    """What people saw while a fault lasted."""

    slowest: float = 0.0
    stale: int = 0
    looks: int = 0
    refused: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"slowest page {self.slowest:.1f} s, {self.stale} of {self.looks} looks marked stale"


def watch_pages(road: Road, seconds: float, pages: tuple[str, ...] = ("/", "/trading", "/system")) -> Watched:
    """Open pages again and again for so long; what does not answer at all is noted, not raised."""
    seen = Watched()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for page in pages:
            try:
                answer = road.look((page,), timeout=10)
            except Exception as error:  # noqa: BLE001 - whatever a person would see as "it does not work"
                seen.refused.append(f"{page}: {type(error).__name__}: {error}")
                continue
            seen.looks += 1
            seen.slowest = max(seen.slowest, answer.slowest)
            seen.stale += answer.stale
        time.sleep(1)
    return seen


def services(road: Road) -> dict[str, dict[str, int]]:
    """How often each service was restarted, by node."""
    return {name: node.restarts() for name, node in road.bed.nodes.items()}


@contextmanager
def no_service_restarted(road: Road) -> Iterator[None]:
    """What happens inside makes systemd restart nothing."""
    before = services(road)
    yield
    # Fewer than before means that somebody stopped and started it.
    restarted = [
        f"{unit} on {node}"
        for node, units in services(road).items()
        for unit, count in units.items()
        if count > before[node].get(unit, 0)
    ]
    assert not restarted, f"restarted: {', '.join(restarted)}"


@contextmanager
def nothing_lost(road: Road) -> Iterator[None]:
    """Afterwards no committed row is missing, the books balance, a new run succeeds and none is stuck."""
    before = committed(road.bed)
    yield
    after = committed(road.bed)
    assert {name for name, count in before.items() if after[name] < count} == set(), (before, after)
    assert books_balance(road)
    road.no_run_stuck(STUCK_SECONDS)


def finished_or_retried(road: Road, run_id: str, seconds: float) -> str:
    """Wait until a run has succeeded, or failed and succeeded when it was run once more; which of them."""

    def outcome() -> str:
        status, retries = road.status(run_id), road.retries(run_id)
        assert len(retries) <= 1, f"{run_id} was run again {len(retries)} times"
        if status == "SUCCESS":
            return "finished"
        return "FAILED, retried once" if status == "FAILURE" and retries == ["SUCCESS"] else ""

    wait_until(outcome, seconds, f"run {run_id[:8]} finished, or failed and was retried", every=2)
    return outcome()


def pages_back(road: Road, seconds: float) -> float:
    """Wait until every page answers, fresh; in how many seconds."""
    return wait_until(road.pages_answer, seconds, "every page answers, fresh", every=0.3)


def dagster_back(road: Road, seconds: float) -> float:
    """Wait until Dagster has its code and its daemons; in how many seconds."""
    return wait_until(road.dagster_answers, seconds, "Dagster has its code and its daemons", every=0.5)


def all_back(road: Road, seconds: float) -> float:
    """Wait until pages, Dagster, feed and trader are all well at once; in how many seconds."""
    return wait_until(
        lambda: road.pages_answer() and road.dagster_answers() and trading_state(road) == {"ok"},
        seconds,
        "pages, Dagster, feed and trader are well",
        every=0.3,
    )


def unit_back(node: Node, unit: str, old: int, seconds: float) -> float:
    """Wait until a unit runs as another process than `old`; in how many seconds."""
    return wait_until(
        lambda: node.main_pid(unit) not in (0, old) and node.says(f"systemctl is-active --quiet {unit}"),
        seconds,
        f"{unit} runs again",
        every=0.2,
    )


def trading_back(road: Road, seconds: float) -> float:
    """Wait until feed and trader say that all is well; in how many seconds."""
    return wait_until(lambda: trading_state(road) == {"ok"}, seconds, "feed and trader are well", every=0.5)


def trading_state(road: Road) -> set[str]:
    """What feed and trader say of themselves on their own loopback."""
    return {said(road, port).get("state", "silent") for port in (TRADER_PORT, FEED_PORT)}


def said(road: Road, port: int) -> dict[str, str]:
    """What a service on compute says of itself on its own loopback; nothing when it does not answer."""
    answer = road.bed.compute.console(f"curl -sm 3 http://127.0.0.1:{port}/status || true")
    found: dict[str, str] = json.loads(answer) if answer else {}
    return found


def keeps_working(road: Road, watch: float) -> None:
    """New runs go on succeeding for so many seconds."""
    deadline = time.monotonic() + watch
    while time.monotonic() < deadline:
        road.quick_run()
        time.sleep(min(30, watch / 4))
