"""Secrets are made once, kept from others, and are what PostgreSQL and TLS expect."""

import base64
import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from falcon_pipelines.db.embedded import EmbeddedPostgres
from infra.site import load_site
from infra.vault import Vault, scram_verifier


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setenv("FALCON_SITE_STATE", str(tmp_path / "state"))
    return Vault(load_site())


def test_secrets_stay_the_same_and_nobody_else_can_read_them(vault: Vault) -> None:
    again = Vault(load_site())
    assert vault.password("falcon_app") == again.password("falcon_app")
    assert vault.authority == again.authority
    assert vault.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in vault.folder.iterdir()} == {0o600}


def test_a_rotated_secret_is_a_new_one(vault: Vault) -> None:
    before = vault.password("falcon_web")
    vault.rotate("postgres-falcon_web")
    assert vault.password("falcon_web") != before


def test_the_verifier_is_the_one_postgresql_makes(postgres: EmbeddedPostgres) -> None:
    engine = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("SET password_encryption = 'scram-sha-256'"))
        connection.execute(text("CREATE ROLE verifier_probe PASSWORD 'correct horse'"))
        held = connection.scalar(text("SELECT rolpassword FROM pg_authid WHERE rolname = 'verifier_probe'"))
        connection.execute(text("DROP ROLE verifier_probe"))
    engine.dispose()
    salt = re.match(r"SCRAM-SHA-256\$4096:([^$]+)\$", held)
    assert salt is not None
    assert scram_verifier("correct horse", base64.b64decode(salt.group(1))) == held
