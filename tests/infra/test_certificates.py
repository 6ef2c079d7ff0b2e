"""A node renews its own certificate, and can issue for no name but its own."""

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509

from infra import steps
from infra.site import load_site
from infra.vault import Vault

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("openssl") is None, reason="the program is root's and needs openssl"
)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setenv("FALCON_SITE_STATE", str(tmp_path / "state"))
    found = SimpleNamespace(TLS=str(tmp_path / "tls"), AUTHORITY=str(tmp_path / "authority"), USER="root")
    vault = Vault(load_site())
    authority = vault.node_authority("web")
    for folder in (found.TLS, found.AUTHORITY):
        Path(folder).mkdir()
    Path(found.TLS, "ca.crt").write_text(vault.authority.pem)
    Path(found.AUTHORITY, "node.crt").write_text(authority.pem)
    Path(found.AUTHORITY, "node.key").write_text(authority.key)
    return found


def issue(places: SimpleNamespace, names: str, *options: str) -> int:
    program = steps.render("certificate.sh.j2", layout=places, node="web", names=names, roles=[])
    done = subprocess.run(
        ["sh", "-s", "--", *options], input=program, text=True, capture_output=True, check=False
    )
    return done.returncode


def verified(places: SimpleNamespace) -> bool:
    chain = [f"{places.TLS}/node.crt", f"{places.TLS}/node.crt"]
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", f"{places.TLS}/ca.crt", "-untrusted", *chain],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_a_certificate_is_issued_once_and_renewed_when_it_is_not_good(places: SimpleNamespace) -> None:
    names = "DNS:falcon-web,DNS:falcon.lan,IP:192.168.1.162"
    assert issue(places, names, "--check") == 1
    assert issue(places, names) == 0
    assert verified(places)
    path = Path(places.TLS, "node.crt")
    first, key = path.read_text(), Path(places.TLS, "node.key")
    leaf = x509.load_pem_x509_certificate(first.encode())
    assert 89 <= (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 91
    assert issue(places, names, "--check") == 0
    assert issue(places, names) == 0
    assert path.read_text() == first

    held = key.read_text()
    path.write_text("torn")
    assert issue(places, names) == 0
    assert verified(places)
    assert key.read_text() == held
    assert key.stat().st_mode & 0o777 == 0o640


def test_a_name_of_another_machine_is_not_believed(places: SimpleNamespace) -> None:
    issue(places, "DNS:falcon-db")
    assert not verified(places)


def test_the_authority_of_a_node_stays_the_same(places: SimpleNamespace) -> None:
    vault = Vault(load_site())
    assert vault.node_authority("web").pem == Path(places.AUTHORITY, "node.crt").read_text()
    assert vault.node_authority("db") != vault.node_authority("web")
