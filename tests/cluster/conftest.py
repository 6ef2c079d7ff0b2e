"""Fixtures of the test bed: the nodes booted, Falcon deployed on them, data to work with, and a line per fault."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.bed import Bed, bed_from_environment
from tests.cluster.image import given_base
from tests.cluster.installation import Installation, Said
from tests.cluster.machine import obstacle
from tests.cluster.mirror import LaterMinutes
from tests.cluster.road import SETTINGS, Road
from tests.cluster.trading import start_trading

IN_ORDER = (
    "test_deploy",
    "test_road",
    "test_doors",
    "test_database",
    "test_disks",
    "test_network",
    "test_killed",
    "test_power",
    "test_operator",
    "test_changes",
    "test_releases",
    "test_second_node",
    "test_restore",
)
POWER_CUTS = 10
"""How often the power of each node, and of all, is cut with --thorough."""
_lines: list[tuple[str, str, float]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cluster")
    group.addoption(
        "--thorough", action="store_true", help="as often and as long as the fault list says: hours"
    )
    group.addoption(
        "--keep-bed", action="store_true", help="leave the nodes running, and take them up again next time"
    )
    group.addoption(
        "--no-deploy", action="store_true", help="take what runs on the bed that was kept as it is"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What later tests stand on comes first, and what takes nodes apart comes last."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem
        return IN_ORDER.index(name) if name in IN_ORDER else -1

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Every fault again, together."""
    if _lines:
        terminalreporter.section("faults")
        for fault, seen, seconds in _lines:
            terminalreporter.write_line(_line(fault, seen, seconds))


def _line(fault: str, seen: str, seconds: float) -> str:
    return f"{fault:52} {seconds:7.1f} s  {seen}"


@pytest.fixture(scope="session")
def tell(request: pytest.FixtureRequest) -> Callable[[str, str, float], None]:
    """Call with the fault, what was seen, and the seconds to recover: a line on the terminal."""

    def say(fault: str, seen: str, seconds: float) -> None:
        _lines.append((fault, seen, seconds))
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line("")
            reporter.write_line(_line(fault, seen, seconds))

    return say


@dataclass(frozen=True)
class Effort:
    """How much of a fault is tried: a part by default, all with --thorough."""

    thorough: bool

    def times(self, thorough: int, default: int) -> int:
        """How often."""
        return thorough if self.thorough else default


@pytest.fixture(scope="session")
def effort(request: pytest.FixtureRequest) -> Effort:
    """What the command line asks for."""
    return Effort(bool(request.config.getoption("--thorough", default=False)))


@pytest.fixture(scope="session")
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """Three booted nodes with nothing of Falcon's on them, or those that --keep-bed left running."""
    if (why := obstacle(given_base())) is not None:
        pytest.skip(why)
    keep = bool(request.config.getoption("--keep-bed", default=False))
    found = bed_from_environment()
    if not keep:
        found.wipe()
        found = bed_from_environment()
    try:
        found.up()
        yield found
    finally:
        if not keep:
            found.wipe()


@dataclass(frozen=True)
class FirstSetup:
    """Falcon's installation, and what `setup all` said on the fresh nodes; None on nodes that had it before."""

    site: Installation
    said: Said | None


@pytest.fixture(scope="session")
def first_setup(bed: Bed, request: pytest.FixtureRequest) -> FirstSetup:
    """Falcon on the nodes, from nothing."""
    site = Installation(bed)
    if request.config.getoption("--no-deploy", default=False):
        return FirstSetup(site, None)
    if not site.site_file.exists():
        site.write_site(SETTINGS)
    site.checkout.refresh()
    site.checkout.build(site.machines)
    had = bed.web.says("test -e /opt/falcon/current")
    said = site.operator("setup", "all")
    assert said.code == 0, said.text[-3000:]
    site.add_users()
    return FirstSetup(site, None if had else said)


@pytest.fixture(scope="session")
def site(first_setup: FirstSetup) -> Installation:
    """Falcon deployed on the nodes, with an operator and a viewer who may log in."""
    return first_setup.site


@pytest.fixture(scope="session")
def road(site: Installation) -> Road:
    """Falcon with made-up files at its source, and healthy."""
    found = Road(site)
    found.give_files()
    return found


@pytest.fixture(scope="session")
def trading(road: Road) -> Road:
    """Falcon with a market that trades: a replay through the feed, and an account that buys and sells."""
    start_trading(road)
    assert road.site.olga.cookies  # logged in, before anything is taken away that a login needs
    return road


@pytest.fixture(scope="session")
def later(road: Road, effort: Effort, tmp_path_factory: pytest.TempPathFactory) -> LaterMinutes:
    """Work for one run in each power cut, and for one that is met by something else."""
    chunks = 4 * effort.times(POWER_CUTS, 1) + 1
    return LaterMinutes(road, tmp_path_factory.mktemp("source"), chunks)
