"""Stores on a real database, and an S3 server on loopback."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import Engine

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import database_engine
from tests.conftest import LEAN_FLATFILES

BUCKET = "flatfiles"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on this test's own database."""
    engine = database_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def store(tmp_path: Path, engine: Engine) -> BarStore:
    """An empty bar store that can be added to."""
    return BarStore(tmp_path / "store", engine)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server (moto) on loopback with an empty bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    yield endpoint
    server.stop()


@pytest.fixture(scope="session")
def real_flat_files(lean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven real tickers from 1998 to 2021 as flat files."""
    out = tmp_path_factory.mktemp("lean_flat_files")
    subprocess.run([sys.executable, LEAN_FLATFILES, out, "--lean", lean], check=True, capture_output=True)
    return out
