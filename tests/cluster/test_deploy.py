"""One command turns fresh machines into Falcon, and changes nothing when it is run again."""

from collections.abc import Callable

import pytest

from tests.cluster.conftest import FirstSetup
from tests.cluster.installation import Installation
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_setup_brings_fresh_machines_to_a_site_that_answers(
    first_setup: FirstSetup, road: Road, tell: Callable[[str, str, float], None]
) -> None:
    if first_setup.said is None:
        pytest.skip("the nodes of --keep-bed had Falcon before")
    tell("deploy from nothing", f"{first_setup.said.changes} changes", first_setup.said.seconds)
    wait_until(road.pages_answer, 60, "every page answers")
    wait_until(road.dagster_answers, 60, "Dagster has its location and its daemons")


def test_a_second_setup_changes_nothing(site: Installation, tell: Callable[[str, str, float], None]) -> None:
    said = site.operator("setup", "all")
    assert said.code == 0, said.text[-2000:]
    assert said.changes == 0, said.out[-2000:]
    tell("second deploy", "0 changes", said.seconds)


def test_a_dry_run_foresees_no_change(site: Installation) -> None:
    said = site.operator("setup", "all", "--dry-run")
    assert said.code == 0, said.text[-2000:]
    assert said.changes == 0, said.out[-2000:]


def test_two_deploys_at_once_are_refused(site: Installation) -> None:
    """The lock is held by a deploy of somebody else's."""
    site.bed.web.console(
        "systemd-run --quiet --collect --unit=falcon-deploy-lock --description='deploy other' sleep 120"
    )
    try:
        said = site.operator("deploy", "all")
    finally:
        site.bed.web.console("systemctl stop falcon-deploy-lock")
    assert said.code == 1
    assert "another deploy is under way" in said.err


def test_status_shows_every_node_well(site: Installation) -> None:
    said = site.operator("status", "all")
    assert said.code == 0, said.text[-3000:]
