"""One more compute node: set up without touching the others, it takes runs, and what happens to them there is seen."""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.node import Node
from tests.cluster.recovery import finished_or_retried, nothing_lost
from tests.cluster.road import SETTINGS, Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
NAME = "compute2"
ANYWHERE = {"dagster-celery/queue": "anywhere"}
GONE_SECONDS, CANCELED_SECONDS, FAILED_SECONDS = 45, 90, 240
TRIES = 5
LISTS = {"write /etc/nftables.conf", "load the firewall, to be rolled back unless a fresh login confirms it"}
DATABASE_LISTS = {"write /etc/postgresql/15/main/pg_hba.conf", "read authority and access rules again"}


def processes(road: Road) -> dict[str, str]:
    """The main process of every running unit of the first three nodes, with when it was started."""
    shown = (
        "systemctl show $(systemctl list-units --plain --no-legend --state=running '*.service' | awk '{print $1}') "
        "-p Id -p MainPID -p ExecMainStartTimestamp"
    )
    # Units that timers start come and go.
    ours = re.compile(
        r"Id=(falcon-(?!watchdog|outages|heal)\S+|nginx|redis-server|postgresql@\S+|pgbackrest)\.service"
    )
    found = {}
    for name in ("db", "compute", "web"):
        for block in road.bed.nodes[name].console(shown).split("\n\n"):
            if unit := ours.search(block):
                found[f"{name} {unit[1]}"] = block
    return found


def changes(said: str) -> dict[str, set[str]]:
    """What was changed, by node."""
    found: dict[str, set[str]] = {}
    for line in said.splitlines():
        if match := re.match(r"^(db|compute|web|compute2) +(.+)$", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


@pytest.fixture(scope="module")
def second(road: Road, tell: Tell) -> Iterator[Node]:
    """A second compute node, deployed to; taken out again as the operator's page says."""
    bed, site = road.bed, road.site
    node = bed.nodes.get(NAME) or bed.add(NAME)
    settings = compute_settings(road)
    site.write_site(settings)
    before = processes(road)
    said = site.operator("setup", NAME)
    assert said.code == 0, said.text[-3000:]
    assert processes(road) == before, "a service of another node was restarted"
    changed = changes(said.out)
    assert changed.get("web") is None
    assert changed.get("compute", set()) <= LISTS
    assert changed.get("db", set()) <= LISTS | DATABASE_LISTS
    tell("one more compute node", "touched itself and the lists of who may connect", said.seconds)
    yield node
    node.console("systemctl disable --now falcon-runs", timeout=120)
    bed.remove(NAME)
    site.write_site(settings)
    after = site.operator("setup", "all")
    assert after.code == 0, after.text[-3000:]
    assert set(changes(after.out)) <= {"db", "compute"}
    assert "192.168.1.233" not in bed.db.console("cat /etc/postgresql/15/main/pg_hba.conf /etc/nftables.conf")
    site.falcon(f"forget falcon-{NAME}")


def compute_settings(road: Road) -> dict[str, str]:
    """What compute is told now."""
    lines = (road.site.state / "compute.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines) or SETTINGS


@pytest.fixture
def alone(road: Road, second: Node) -> Iterator[Node]:
    """The second node, while the first takes no runs."""
    road.bed.compute.console("systemctl stop falcon-runs", timeout=120)
    try:
        yield second
    finally:
        road.bed.compute.console("systemctl start falcon-runs", timeout=120)


def held(road: Road, node: Node) -> tuple[str, int]:
    """A run whose process on a node is stopped in the middle, and hears nothing: its id, and the process there."""
    for _ in range(TRIES):
        run = road.launch("prove_books", ANYWHERE)
        wait_until(lambda run=run: road.process_of(run, node), 90, "the run has a process", every=0.1)  # type: ignore[misc]
        pid = road.process_of(run, node)
        query = f"SELECT status FROM runs WHERE run_id = '{run}' AND status <> 'STARTING'"
        wait_until(lambda query=query: road.bed.db.psql(query, "dagster"), 90, "the run starts", every=0.01)  # type: ignore[misc]
        node.console(f"kill -STOP {pid}", check=False)
        if road.status(run) == "STARTED":
            return run, pid
    raise AssertionError(f"{TRIES} runs were over before they could be held")


def test_the_new_node_takes_runs(road: Road, alone: Node, tell: Tell) -> None:
    began = time.monotonic()
    run = road.launch("prove_books", ANYWHERE)
    assert road.end_of(run, 120) == "SUCCESS", road.logs(run)[-5:]
    assert road.tags(run)["falcon/node"] == f"falcon-{NAME}"
    tell("a run on the second compute node", "SUCCESS", time.monotonic() - began)


def test_cancel_ends_a_run_that_does_not_listen(road: Road, alone: Node, tell: Tell) -> None:
    run, pid = held(road, alone)
    began = time.monotonic()
    road.cancel(run)
    gone = wait_until(lambda: not alone.says(f"test -e /proc/{pid}"), GONE_SECONDS, "its process is gone")
    assert road.end_of(run, CANCELED_SECONDS) == "CANCELED"
    seconds = time.monotonic() - began
    tell("cancel of a run that does not listen", f"its process is gone after {gone:.0f} s, CANCELED", seconds)


def test_a_node_that_dies_fails_its_run_which_is_done_elsewhere(road: Road, second: Node, tell: Tell) -> None:
    first = road.bed.compute
    with nothing_lost(road):
        first.console("systemctl stop falcon-runs", timeout=120)
        try:
            run, _ = held(road, second)
        finally:
            first.console("systemctl start falcon-runs", timeout=120)
        began = time.monotonic()
        road.bed.cut_power(NAME)
        # With its node off there is only the first to run it again.
        assert finished_or_retried(road, run, FAILED_SECONDS) == "FAILED, retried once"
        seconds = time.monotonic() - began
    road.bed.start(NAME)
    tell("power cut of the second compute node in mid-run", "FAILED, run again on the first", seconds)
