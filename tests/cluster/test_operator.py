"""The operator's verbs on three nodes: each does what the page says, and what fails says where, and what to do."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from infra.status import services
from tests.cluster.installation import Installation
from tests.cluster.recovery import dagster_back, pages_back, trading_back
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
BACK_SECONDS = 90


def all_well(road: Road) -> None:
    """People, Dagster and trading have what they had."""
    pages_back(road, BACK_SECONDS)
    dagster_back(road, BACK_SECONDS)
    trading_back(road, BACK_SECONDS)


def running(site: Installation, name: str) -> set[str]:
    """Which of Falcon's units run on a node."""
    units = services(site.described, name)
    shown = site.bed.nodes[name].console(f"systemctl is-active {' '.join(units)}", check=False).split()
    return {unit for unit, state in zip(units, shown, strict=True) if state == "active"}


@pytest.mark.parametrize("target", ["web", "compute", "all"])
def test_stop_and_start(road: Road, tell: Tell, target: str) -> None:
    site = road.site
    before = {name: running(site, name) for name in site.bed.nodes}
    stopped = site.operator("stop", target)
    assert stopped.code == 0, stopped.text
    chosen = site.described.select(target)
    assert {name for name in site.bed.nodes if not running(site, name)} == {*chosen}
    assert site.operator("status", target).code == 1, "what is stopped is a problem"
    started = site.operator("start", target)
    assert started.code == 0, started.text
    all_well(road)
    assert {name: running(site, name) for name in site.bed.nodes} == before
    tell(f"stop and start of {target}", "everything as before", stopped.seconds + started.seconds)


def test_restart(road: Road) -> None:
    said = road.site.operator("restart", "all")
    assert said.code == 0, said.text
    all_well(road)


def test_logs_show_what_services_wrote(road: Road) -> None:
    said = road.site.operator("logs", "web", "--since", "-1d", "--lines", "50")
    assert said.code == 0, said.text
    lines = said.out.splitlines()
    assert 1 < len(lines) <= 51
    assert all(line.startswith("web: ") for line in lines)


def test_the_doctor_finds_nothing_and_then_what_was_broken(road: Road) -> None:
    """On a well site nothing but what a container cannot have; then a secret that others may read, and a stray port."""
    site, web = road.site, road.bed.web
    sound = site.operator("doctor", "all").out
    web.console(
        "chmod 644 /etc/falcon/secrets.env; systemd-run --quiet --collect --unit=stray python3 -m http.server 8099"
    )
    try:
        wait_until(lambda: web.says("ss -Hltn | grep -q :8099"), 20, "something listens")
        said = site.operator("doctor", "all")
    finally:
        web.console("chmod 600 /etc/falcon/secrets.env; systemctl stop stray")
    assert said.code == 1
    for word in ("secrets.env can be read by others", "something listens on", "deploy.sh setup web"):
        assert word not in sound
        assert word in said.out, said.out


def test_a_step_that_fails_names_host_and_file_and_is_done_by_the_next_run(road: Road) -> None:
    site, web = road.site, road.bed.web
    path = "/etc/nginx/falcon-proxy.conf"
    web.console(f"mv {path} /run/kept.conf && mkdir {path} && touch {path}/in-the-way")
    try:
        said = site.operator("setup", "web")
    finally:
        web.console(f"rm -r {path} && mv /run/kept.conf {path}")
    assert said.code == 1
    assert len(said.err.strip().splitlines()) == 1, said.err
    assert f"web: write {path}: " in said.err
    assert "run the same command again" in said.err
    again = site.operator("setup", "web")
    assert again.code == 0, again.text[-2000:]
    pages_back(road, BACK_SECONDS)


def test_a_setup_that_is_killed_half_way_is_finished_by_the_next(road: Road, tell: Tell) -> None:
    site, bed = road.site, road.bed
    # Something to do on every node, of which the restart is the second half.
    for name, unit in (("db", "prometheus-node-exporter"), ("compute", "redis-server"), ("web", "nginx")):
        bed.nodes[name].console(
            f"rm /var/lib/falcon-deploy/{unit}.sha256 /etc/falcon/falcon.env 2>/dev/null; true"
        )
    with (bed.folder / "killed.log").open("wb") as log:
        doomed = subprocess.Popen(
            site.command("setup", "all"), cwd=site.checkout.folder, env=site.environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        wait_until(lambda: bed.compute.says("test -e /etc/falcon/falcon.env"), 120, "it has begun", every=0.1)
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.wait()
    began = time.monotonic()
    said = site.operator("setup", "all")
    assert said.code == 0, said.text[-2000:]
    all_well(road)
    tell("setup killed half-way, run again", f"{said.changes} changes, all well", time.monotonic() - began)
    assert site.operator("setup", "all").changes == 0


def test_a_node_that_is_off_is_named_at_once(road: Road) -> None:
    """By setup in its one line, by status and doctor in their tables, which tell of the other nodes all the same."""
    site, bed = road.site, road.bed
    bed.network.cut("web")
    try:
        said = site.operator("setup", "all")
        table = site.operator("status", "all")
        found = site.operator("doctor", "all")
    finally:
        bed.network.heal()
    assert said.code == 1
    assert len(said.err.strip().splitlines()) == 1, said.err
    assert "web: " in said.err
    for seen in (table, found):
        assert seen.code == 1
        assert "web" in seen.out
    assert "compute" in table.out
    all_well(road)
