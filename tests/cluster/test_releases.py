"""Releases: what is not good never replaces what is, and nobody at the web site notices a release or a roll-back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.livez import Livez
from tests.cluster.recovery import dagster_back, nothing_lost, pages_back, trading_back
from tests.cluster.road import Road

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
NODES = ("compute", "web")
BACK_SECONDS = 60


def current(road: Road) -> dict[str, str]:
    """The release that each node runs."""
    return {name: road.bed.nodes[name].console("readlink /opt/falcon/current").strip() for name in NODES}


@contextmanager
def changed(road: Road, path: str, old: str, new: str) -> Iterator[None]:
    """The checkout with one piece of a file replaced; afterwards as it was."""
    checkout = road.site.checkout
    checkout.edit(path, old, new)
    checkout.commit(f"{path} differs")
    try:
        yield
    finally:
        checkout.edit(path, new, old)
        checkout.git("reset", "-q", "--soft", "HEAD~1")
        checkout.git("reset", "-q")


def refused(road: Road, tell: Tell, what: str, *words: str) -> None:
    """Deploying the checkout as it is now fails, says these words, and leaves every node with what it ran before."""
    before = current(road)
    with nothing_lost(road):
        with Livez(road.site) as livez:
            said = road.site.operator("deploy", "all")
            pages_back(road, BACK_SECONDS)
        assert said.code == 1, said.text[-2000:]
        assert [word for word in words if word not in said.err] == [], said.err
        assert len(said.err.strip().splitlines()) == 1, said.err
        assert current(road) == before
        dagster_back(road, BACK_SECONDS)
        trading_back(road, BACK_SECONDS)
    assert livez.failed == []
    tell(what, f"{said.err.strip()[:90]}...; {livez}", said.seconds)


def test_a_release_with_an_import_error_is_never_flipped_to(road: Road, tell: Tell) -> None:
    path, line = "falcon_pipelines/definitions.py", "import dagster as dg\n"
    with changed(road, path, line, f"{line}import falcon_nowhere\n"):
        refused(
            road,
            tell,
            "release with an import error",
            "compute",
            "its definitions do not load",
            "falcon_nowhere",
        )


def test_a_release_whose_trader_falls_over_is_taken_back(road: Road, tell: Tell) -> None:
    path, line = "falcon_pipelines/commands/trader.py", "    settings = settings_module.load()\n"
    with changed(road, path, line, f'{line}    raise SystemExit("falls over")\n'):
        refused(
            road, tell, "release whose trader falls over", "compute", "falcon-trader.service", "runs", "again"
        )


def test_a_release_under_which_no_canary_comes_through_is_taken_back(road: Road, tell: Tell) -> None:
    path, line = "falcon_pipelines/canary.py", "    now = datetime.now(UTC)\n"
    with changed(road, path, line, f'{line}    raise RuntimeError("has no voice")\n'):
        refused(road, tell, "release under which the canary fails", "canary", "FAILURE", "runs", "again")


def test_a_release_and_its_roll_back_lose_no_request(road: Road, tell: Tell) -> None:
    path, line = "falcon_pipelines/canary.py", "KEPT_FOR = timedelta(hours=6)\n"
    before = current(road)
    with changed(road, path, line, "KEPT_FOR = timedelta(hours=5)\n"), nothing_lost(road):
        with Livez(road.site) as livez:
            deployed = road.site.operator("deploy", "all")
        assert deployed.code == 0, deployed.text[-2000:]
        assert livez.failed == []
        tell("release", str(livez), deployed.seconds)
        after = current(road)
        assert not {*before.values()} & {*after.values()}
        pages_back(road, BACK_SECONDS)
        with Livez(road.site) as livez:
            rolled_back = road.site.operator("rollback", "all")
        assert rolled_back.code == 0, rolled_back.text[-2000:]
        assert livez.failed == []
        tell("roll-back", str(livez), rolled_back.seconds)
        assert current(road) == before
        pages_back(road, BACK_SECONDS)
        dagster_back(road, BACK_SECONDS)
        trading_back(road, BACK_SECONDS)
    said = road.site.operator("setup", "all")
    assert said.code == 0, said.text[-2000:]
    assert said.changes == 0, said.out[-2000:]
