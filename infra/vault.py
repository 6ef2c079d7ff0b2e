"""What only the operator's machine keeps: generated passwords and the private certificate authority.

Everything is made once, on first use, and written 0600 into a 0700 folder: FALCON_SITE_STATE, or
~/.local/state/falcon/<site name>. Losing the folder means new secrets on the next setup, not lost data.
"""

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.errors import DeployError
from infra.site import Site

AUTHORITY_DAYS = 3650
NODE_DAYS = 365
RENEW_BEFORE_DAYS = 60
SCRAM_ITERATIONS = 4096


@dataclass(frozen=True)
class Password:
    """A database role's password, and the SCRAM verifier that PostgreSQL keeps of it."""

    plain: str
    verifier: str


@dataclass(frozen=True)
class Certificate:
    """A certificate with its private key, both PEM."""

    pem: str
    key: str


class Vault:
    """The operator's folder of secrets for one site."""

    def __init__(self, site: Site) -> None:
        default = Path.home() / ".local" / "state" / "falcon" / site.site.name
        self.folder = Path(os.environ.get("FALCON_SITE_STATE") or default)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise DeployError(
                f"{self.folder}: {error.strerror}; set FALCON_SITE_STATE to a folder of yours"
            ) from error
        self._site = site

    def token(self, name: str) -> str:
        """A random secret by name, made on first use."""
        return self._kept(f"{name}.secret", lambda: secrets.token_urlsafe(32))

    def password(self, role: str) -> Password:
        """A database role's password; the verifier is derived with a salt that is kept, so it stays the same."""
        plain = self.token(f"postgres-{role}")
        salt = base64.b64decode(
            self._kept(f"postgres-{role}.salt", lambda: base64.b64encode(os.urandom(16)).decode())
        )
        return Password(plain, scram_verifier(plain, salt))

    def secrets_env(self, role: str) -> str:
        """Settings that are secret, for a role: what the operator wrote into `<role>.env`, and what is generated."""
        path = self.folder / f"{role}.env"
        own = path.read_text() if path.exists() else ""
        generated = f"FALCON_SESSION_KEY={self.token('session-key')}\n" if role == "web" else ""
        return own + generated

    def rotate(self, name: str) -> None:
        """Forget a secret, so that the next deploy makes a new one."""
        for path in self.folder.glob(f"{name}.*"):
            path.unlink()

    @property
    def authority(self) -> Certificate:
        """The site's own certificate authority."""
        kept = self._kept("authority.json", self._new_authority)
        return Certificate(**json.loads(kept))

    def certificate(self, node: str, purpose: str = "") -> Certificate:
        """A node's certificate, renewed when fewer than RENEW_BEFORE_DAYS are left.

        One with a `purpose` has a name of its own, for doors that Falcon's services must not open.
        """
        name = f"{purpose}-{node}" if purpose else node
        path = self.folder / f"certificate-{name}.json"
        if path.exists():
            held = Certificate(**json.loads(path.read_text()))
            left = x509.load_pem_x509_certificate(held.pem.encode()).not_valid_after_utc - dt.datetime.now(
                dt.UTC
            )
            if left > dt.timedelta(days=RENEW_BEFORE_DAYS):
                return held
            path.unlink()
        return Certificate(**json.loads(self._kept(path.name, lambda: self._new_certificate(node, name))))

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        path = self.folder / name
        try:
            return path.read_text()
        except FileNotFoundError:
            value = make()
            part = path.with_name(path.name + ".new")
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(value)
            part.replace(path)
            return value

    def _new_authority(self) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Falcon at {self._site.site.name}")])
        builder = _builder(name, name, key, AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return _as_json(builder.sign(key, hashes.SHA256()), key)

    def _new_certificate(self, node: str, name: str) -> str:
        authority = self.authority
        issuer = x509.load_pem_x509_certificate(authority.pem.encode())
        signer = serialization.load_pem_private_key(authority.key.encode(), None)
        key = ec.generate_private_key(ec.SECP256R1())
        machine = self._site.nodes[node]
        names: list[x509.GeneralName] = [
            x509.DNSName(f"falcon-{name}"),
            x509.IPAddress(ipaddress.ip_address(machine.address)),
            # pgBackRest looks for the address it dials among the names.
            *([x509.DNSName(machine.address)] if name != node else []),
        ]
        if "web" in machine.roles:
            names.append(x509.DNSName(self._site.site.name))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"falcon-{name}")])
        builder = _builder(subject, issuer.subject, key, NODE_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        return _as_json(builder.sign(signer, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back, for machines whose clock is not set yet.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _as_json(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> str:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {"pem": certificate.public_bytes(serialization.Encoding.PEM).decode(), "key": private.decode()}
    )


def scram_verifier(password: str, salt: bytes) -> str:
    """PostgreSQL's form of a SCRAM-SHA-256 verifier (RFC 5803, RFC 7677)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(SCRAM_ITERATIONS, *parts)
