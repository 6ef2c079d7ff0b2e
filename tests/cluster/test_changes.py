"""What changes under a running installation: a clock, a certificate that ends, a secret, the code; it goes on as designed."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.installation import OPERATOR, PASSWORD
from tests.cluster.livez import Livez
from tests.cluster.mirror import LaterMinutes
from tests.cluster.node import Node
from tests.cluster.recovery import dagster_back, nothing_lost, pages_back, trading_back, unit_back
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
BACK_SECONDS = 60
CLOCKS = [("compute", "falcon-trader.service", "+300s"), ("web", "falcon-dashboard.service", "+300s")]
"""Services that do not call time.sleep: Debian 12's libfaketime makes that fail, as Dagster's daemon shows at once."""
EXPIRE = (
    "rm -f /etc/falcon/tls/names && sed -e \"s/-d '1 hour ago'/-d '3 days ago'/; s/-d '90 days'/-d '1 day ago'/\" "
    "/usr/local/sbin/falcon-certificate > /run/expired && sh /run/expired && rm /run/expired"
)
"""Issues a certificate as the node's own program does, but one that ended yesterday."""

TLS_FILES = {"sslrootcert": "ca.crt", "sslcert": "node.crt", "sslkey": "node.key"}


def restart(node: Node, unit: str) -> None:
    """Restart a unit and wait until it runs."""
    pid = node.main_pid(unit)
    node.console(f"systemctl restart --no-block {unit}")
    unit_back(node, unit, pid, BACK_SECONDS)


@contextmanager
def clock_off(node: Node, unit: str, off: str) -> Iterator[None]:
    """A service lives in another time meanwhile."""
    folder = f"/etc/systemd/system/{unit}.d"
    library = node.console("ls /usr/lib/*/faketime/libfaketime.so.1").strip()
    settings = f"LD_PRELOAD={library} FAKETIME={off} FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1"
    lines = "[Service]\\n" + "".join(f"Environment={one}\\n" for one in settings.split())
    node.console(f"mkdir -p {folder} && printf '{lines}' > {folder}/clock.conf && systemctl daemon-reload")
    try:
        restart(node, unit)
        yield
    finally:
        node.console(f"rm {folder}/clock.conf && systemctl daemon-reload")
        restart(node, unit)


@pytest.mark.parametrize(("name", "unit", "off"), CLOCKS, ids=lambda value: value.removesuffix(".service"))
def test_a_clock_that_is_off_on_one_service_doubles_and_loses_nothing(
    road: Road, tell: Tell, name: str, unit: str, off: str
) -> None:
    with nothing_lost(road):
        with clock_off(road.bed.nodes[name], unit, off):
            began = time.monotonic()
            wait_until(lambda: road.look().slowest <= 3, BACK_SECONDS, "pages answer")
            road.runs_succeed(120)
            seconds = time.monotonic() - began
            visitor = road.site.visitor()
            visitor.log_in(OPERATOR, PASSWORD)
            assert visitor.get("/").status == 200
        pages_back(road, BACK_SECONDS)
        trading_back(road, BACK_SECONDS)
    tell(f"{unit.removesuffix('.service')} with its clock {off}", "pages, login and runs as ever", seconds)


def test_a_certificate_that_ended_is_told_of_and_renewed_by_its_timer(road: Road, tell: Tell) -> None:
    web = road.bed.web
    with nothing_lost(road):
        web.console(EXPIRE)
        wait_until(lambda: expired(road), 10, "nginx shows the certificate that ended", every=0.2)
        for verb in ("status", "doctor"):
            said = road.site.operator(verb, "web")
            assert said.code == 1
            assert "certificate" in said.out, said.out
        began = time.monotonic()
        # What the daily timer does.
        web.console("systemctl start falcon-certificate.service")
        pages_back(road, BACK_SECONDS)
        dagster_back(road, BACK_SECONDS)
        seconds = time.monotonic() - began
    tell("certificate of web expired, then its timer", "told by status and doctor, renewed", seconds)


def test_nodes_whose_certificates_ended_while_they_were_off_start_with_good_ones(
    road: Road, tell: Tell
) -> None:
    bed = road.bed
    names = ("db", "compute", "web")
    with nothing_lost(road):
        for name in names:
            bed.nodes[name].console(EXPIRE)
        bed.cut_power(*names)
        began = time.monotonic()
        for name in names:
            bed.start(name, wait=False)
        pages_back(road, BACK_SECONDS)
        dagster_back(road, 2 * BACK_SECONDS)
        trading_back(road, BACK_SECONDS)
        seconds = time.monotonic() - began
    tell("certificates of all ended while they were off", "renewed at boot", seconds)


def expired(road: Road) -> bool:
    """Whether a browser refuses the web site because its certificate has ended."""
    try:
        road.site.visitor().get("/livez")
    except ssl.SSLCertVerificationError as error:
        return "expired" in str(error)
    return False


@pytest.mark.parametrize("secret", ["falcon_app", "falcon_web", "dagster", "runs"])
def test_a_secret_is_rotated_under_way(road: Road, tell: Tell, secret: str) -> None:
    kept = road.site.state / f"{'' if secret == 'runs' else 'postgres-'}{secret}.secret"
    before = kept.read_text()
    with nothing_lost(road):
        with Livez(road.site) as livez:
            said = road.site.operator("secrets", "all", "--rotate", secret)
            assert said.code == 0, said.text[-2000:]
            began = time.monotonic()
            pages_back(road, BACK_SECONDS)
            dagster_back(road, BACK_SECONDS)
            trading_back(road, BACK_SECONDS)
            road.runs_succeed(120)
            seconds = time.monotonic() - began
        assert livez.failed == []
    assert kept.read_text() != before
    if secret != "runs":
        assert refuses(road, secret, before), "the old password still works"
    tell(f"password {secret} rotated", f"pages, runs and trading go on; {livez}", said.seconds + seconds)


def refuses(road: Road, role: str, password: str) -> bool:
    """Whether PostgreSQL refuses a role's password to a node that is otherwise let in."""
    database = "dagster" if role == "dagster" else "falcon"
    node = road.bed.web if role == "falcon_web" else road.bed.compute
    own = " ".join(f"{option}=/etc/falcon/tls/{file}" for option, file in TLS_FILES.items())
    where = f"host={road.bed.network.addresses['db']} dbname={database} user={role} sslmode=verify-full {own}"
    said = node.console(f"PGPASSWORD={password.strip()} psql -Xc 'SELECT 1' '{where}' 2>&1", check=False)
    return "password authentication failed" in said


def test_the_code_server_is_reloaded_in_mid_run(road: Road, tell: Tell, later: LaterMinutes) -> None:
    sessions = later.chunk()
    compute = road.bed.compute
    with nothing_lost(road):
        run = road.ingest(sessions[0], sessions[-1], "minute")
        later.under_way(sessions)
        began = time.monotonic()
        road.reload()
        restart(compute, "falcon-code-server.service")
        dagster_back(road, BACK_SECONDS)
        seconds = time.monotonic() - began
        assert road.end_of(run, 180) == "SUCCESS", road.logs(run)[-5:]
    tell("code server reloaded in mid-run", "the run went on to its end", seconds)
