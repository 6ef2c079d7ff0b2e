"""What operators do, and what goes wrong with it: releases, roll-backs, secrets, certificates, clocks."""

import datetime as dt
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cluster.installation import Installation
from tests.cluster.recovery import dagster_back, nothing_lost, pages_back, trading_back
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
FAKETIME = "/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1"


class Caller:
    """Context manager: asks `/livez` ten times a second, each time over a new connection, and counts."""

    def __init__(self, site: Installation) -> None:
        self.asked = 0
        self.failed: list[str] = []
        self._visitor = site.visitor()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._call, daemon=True)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _call(self) -> None:
        while not self._ended.wait(0.1):
            self.asked += 1
            try:
                answer = self._visitor.get("/livez", timeout=10)
                if answer.status != 200:
                    self.failed.append(f"{answer.status}")
            except Exception as error:  # noqa: BLE001 - whatever keeps a caller from an answer
                self.failed.append(f"{type(error).__name__}: {error}")


def releases(site: Installation) -> set[str]:
    """What runs on compute and web."""
    return {
        site.bed.nodes[name].console("readlink /opt/falcon/current").strip() for name in ("compute", "web")
    }


@pytest.fixture
def checkout_as_it_is(site: Installation) -> Iterator[None]:
    """Edits of the operator's checkout are undone."""
    before = site.checkout.git("rev-parse", "HEAD").strip()
    yield
    site.checkout.git("reset", "-q", "--hard", before)


@pytest.mark.usefixtures("checkout_as_it_is")
def test_a_release_that_cannot_be_imported_never_runs(road: Road, tell: Tell) -> None:
    site = road.site
    before = releases(site)
    site.checkout.edit(
        "falcon_pipelines/definitions.py",
        "defs = build_definitions()",
        "raise ImportError('broken on purpose')",
    )
    site.checkout.commit("a release with an import error")
    site.checkout.build(site.machines)
    started = time.monotonic()
    with Caller(site) as caller:
        said = site.operator("deploy", "all")
    assert said.code == 1, said.text[-1500:]
    assert caller.failed == []
    assert releases(site) == before
    road.quick_run()
    tell(
        "release with an import error",
        f"refused, 0 of {caller.asked} requests failed",
        time.monotonic() - started,
    )


@pytest.mark.usefixtures("checkout_as_it_is")
def test_release_and_rollback_fail_no_request(road: Road, tell: Tell) -> None:
    site = road.site
    before = releases(site)
    package = site.checkout.folder / "falcon_pipelines/__init__.py"
    package.write_text(f"{package.read_text()}\n# another release\n")
    site.checkout.commit("another release")
    site.checkout.build(site.machines)
    with nothing_lost(road), Caller(site) as caller:
        said = site.operator("deploy", "all")
        assert said.code == 0, said.text[-1500:]
        assert releases(site).isdisjoint(before)
        back = site.operator("rollback", "all")
        assert back.code == 0, back.text[-1500:]
        assert releases(site) == before
        trading_back(road, 60)
        dagster_back(road, 60)
    assert caller.failed == []
    tell("release, then rollback", f"0 of {caller.asked} requests failed", said.seconds + back.seconds)


def test_code_server_reloaded_in_mid_run(road: Road, tell: Tell) -> None:
    days = road.market.sessions
    run = road.ingest(days[0], days[-1])
    road.began(run)
    started = time.monotonic()
    road.reload()
    dagster_back(road, 60)
    back = time.monotonic() - started
    assert road.end_of(run, 240) == "SUCCESS"
    tell("code server reloaded in mid-run", "the run ended in SUCCESS", back)


def test_secret_rotated(road: Road, tell: Tell) -> None:
    """A new password for every role while everything runs."""
    with nothing_lost(road):
        said = road.site.operator(
            "secrets", "all", "--rotate", "falcon_app", "--rotate", "falcon_web", "--rotate", "dagster"
        )
        assert said.code == 0, said.text[-1500:]
        back = pages_back(road, 30)
        trading_back(road, 60)
        dagster_back(road, 60)
    tell("database passwords rotated", f"command took {said.seconds:.0f} s", back)


def test_certificate_expired(road: Road, tell: Tell) -> None:
    """Browsers refuse, `status` says why, and `setup` puts it right."""
    web, site = road.bed.web, road.site
    certificate, key = expired(site)
    (road.bed.folder / "expired.crt").write_text(certificate)
    web.console(
        f"cat > /etc/falcon/tls/node.crt <<'PEM'\n{certificate}PEM\ncat > /etc/falcon/tls/node.key <<'PEM'\n{key}PEM\n"
    )
    web.console("systemctl reload nginx")

    def refused() -> bool:
        try:
            site.visitor().get("/livez")
        except ssl.SSLCertVerificationError as error:
            return "expired" in str(error)
        return False

    wait_until(refused, 10, "browsers refuse the certificate")
    status = site.operator("status", "web")
    assert status.code == 1
    assert "certificate" in status.out
    started = time.monotonic()
    said = site.operator("setup", "web")
    assert said.code == 0, said.text[-1500:]
    pages_back(road, 30)
    dagster_back(road, 60)
    tell("web's certificate expired", "status says so; setup renews it", time.monotonic() - started)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("compute", "falcon-trader.service"),
        ("web", "falcon-dagster-daemon.service"),
        ("web", "falcon-dashboard.service"),
    ],
    ids=["trader", "daemon", "dashboard"],
)
def test_clock_of_one_service_off(road: Road, tell: Tell, name: str, unit: str) -> None:
    """Five minutes slow: pages answer, runs run, the books balance."""
    node = road.bed.nodes[name]
    drop_in = f"/run/systemd/system/{unit}.d"
    with nothing_lost(road):
        node.console(
            f"mkdir -p {drop_in} && printf '[Service]\\nEnvironment=LD_PRELOAD=%s FAKETIME=-5m\\n' {FAKETIME} "
            f"> {drop_in}/clock.conf && systemctl daemon-reload && systemctl restart {unit}"
        )
        try:
            pages_back(road, 30)
        finally:
            node.console(f"rm -r {drop_in} && systemctl daemon-reload && systemctl restart {unit}")
        started = time.monotonic()
        pages_back(road, 30)
        dagster_back(road, 90)
        back = time.monotonic() - started
    tell(f"clock of {unit.removesuffix('.service')} 5 min slow", "runs go on, books balance", back)


def expired(site: Installation) -> tuple[str, str]:
    """A certificate of the site's authority for web that ended yesterday, and its key; PEM."""
    kept = json.loads((site.state / "authority.json").read_text())
    issuer = x509.load_pem_x509_certificate(kept["pem"].encode())
    signer = serialization.load_pem_private_key(kept["key"].encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    web = x509.load_pem_x509_certificate(
        json.loads((site.state / "certificate-web.json").read_text())["pem"].encode()
    )
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(web.subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now - dt.timedelta(days=1))
    )
    for extension in web.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    ).decode(), private.decode()
