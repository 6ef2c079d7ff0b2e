"""Every compute node takes runs; what there is once stays on the first, and adding one changes only the lists of who may."""

from pathlib import Path

import pytest
import yaml

from infra import layout
from infra.nodes import compute, monitoring, releases
from infra.nodes.common import ports
from infra.nodes.services import unit
from infra.site import Site, load_site
from infra.status import services
from tests.conftest import ROOT
from tests.infra.test_site import GOOD, use

SECOND = '[nodes.four]\naddress = "10.0.0.4"\nroles = ["compute"]\n'


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with two compute nodes."""
    use(GOOD + SECOND, tmp_path, monkeypatch)
    return load_site()


def test_a_second_compute_node_executes_runs_and_nothing_else(two: Site) -> None:
    watched = [*monitoring.units(two, "four")]
    assert services(two, "four") == ["falcon-runs.service", *watched]
    assert not [unit for unit in watched if "falcon" in unit], (
        "what watches Falcon's own services stays with them"
    )
    assert {"redis-server.service", "falcon-code-server.service", "falcon-trader.service"} <= set(
        services(two, "two")
    )
    (worker,) = compute.services(two, "four")
    assert "--queues anywhere" in unit(worker), "runs that need files stay where the files are"
    assert "--queues data,anywhere" in unit(compute.services(two, "two")[-1])
    assert ports(two, "four") == monitoring.ports(two, "four")


def test_the_queue_is_open_to_the_web_node_and_other_compute_nodes_only(two: Site) -> None:
    (queue,) = (port for port in ports(two, "two") if port.port == layout.RUNS_PORT)
    assert queue.sources == ("10.0.0.3", "10.0.0.4")


def test_the_password_of_the_queue_is_a_credential(two: Site) -> None:
    text = unit(compute.services(two, "four")[0])
    assert f"LoadCredential=runs:{layout.RUNS_PASSWORD}" in text
    assert "FALCON_RUNS_PASSWORD_FILE=%d/runs" in text


def test_nodes_launch_through_workers_and_one_machine_does_not() -> None:
    packaged = (ROOT / "dagster.yaml").read_text()
    assert "run_launcher" not in yaml.safe_load(packaged)
    on_nodes = yaml.safe_load(packaged + releases.LAUNCHER + "\n")
    assert on_nodes["run_launcher"]["class"] == "RunWorkers"
