"""A full disk of any node is an alarm everywhere: `falcon status`, people, and the dashboard's pages."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from falcon_pipelines import settings
from falcon_pipelines.watching.disks import NoNumbers, disks_at, disks_in
from falcon_pipelines.watching.outages import Look, look_around
from falcon_pipelines.watching.remembered import CURRENT_SECONDS, Outage, remember, standing_outages
from falcon_pipelines.watching.standing import installation_health

METRICS = """\
# HELP node_filesystem_avail_bytes Filesystem space available to non-root users in bytes.
# TYPE node_filesystem_avail_bytes gauge
node_filesystem_avail_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 5.0e+10
node_filesystem_avail_bytes{device="/dev/nvme0n1",fstype="ext4",mountpoint="/var/lib/postgresql"} 4096
node_filesystem_avail_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run"} 0
# HELP node_filesystem_size_bytes Filesystem size in bytes.
# TYPE node_filesystem_size_bytes gauge
node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 1.0e+11
node_filesystem_size_bytes{device="/dev/nvme0n1",fstype="ext4",mountpoint="/var/lib/postgresql"} 2.147483648e+09
node_filesystem_size_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run"} 1024
"""
FULL = "/var/lib/postgresql has 0.0 of 2.0 GiB left (0 %)"


@pytest.fixture
def exporter() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_only_disks_that_can_fill_up_are_judged() -> None:
    assert [(disk.mount, disk.low) for disk in disks_in(METRICS)] == [
        ("/", False),
        ("/var/lib/postgresql", True),
    ]


@pytest.mark.parametrize("answer", ["", "<html>", 'node_filesystem_avail_bytes{fstype="ext4"'])
def test_what_is_no_exporter_tells_of_no_disk(answer: str) -> None:
    try:
        assert disks_in(answer) == []
    except ValueError:
        return


def test_status_names_the_disk_of_another_node(exporter: str, tmp_path: Path) -> None:
    changes = {"watch_nodes": f"db={exporter} gone=127.0.0.1:1", "home": tmp_path}
    configured = settings.changed(settings.load(), changes)
    found = [
        check for check in installation_health(configured, datetime.now(UTC)) if check.name == "disk of db"
    ]
    assert [(check.ok, check.detail) for check in found] == [
        (True, "/ has 46.6 of 93.1 GiB left (50 %)"),
        (False, FULL),
    ]


def test_the_watch_looks_at_every_disk_of_a_node(exporter: str, tmp_path: Path) -> None:
    changes = {"watch_nodes": f"db={exporter}", "home": tmp_path, "database_url": None}
    configured = settings.changed(settings.load(), changes)
    assert look_around(configured, {}, datetime.now(UTC)) == [Look("the disk of db", FULL)]


def test_a_node_that_is_gone_is_not_a_full_disk(tmp_path: Path) -> None:
    changes = {"watch_nodes": "db=127.0.0.1:1", "home": tmp_path, "database_url": None}
    assert look_around(settings.changed(settings.load(), changes), {}, datetime.now(UTC)) == []
    with pytest.raises(NoNumbers):
        disks_at("127.0.0.1:1")


def test_pages_tell_what_the_watch_sees_and_nothing_of_one_that_stopped_looking(tmp_path: Path) -> None:
    path = tmp_path / "outages.json"
    assert standing_outages(path) == {}
    assert standing_outages(None) == {}
    since = datetime.now(UTC).isoformat()
    remember(path, {"the disk of db": Outage(since, FULL, looks=2), "compute": Outage(since, "a blink")})
    assert standing_outages(path) == {"the disk of db": FULL}
    os.utime(path, (time.time(), time.time() - CURRENT_SECONDS - 1))
    assert standing_outages(path) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"db": 3}', json.dumps({"db": {"nonsense": 1}})])
def test_a_file_that_cannot_be_read_tells_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "outages.json"
    path.write_text(text)
    assert standing_outages(path) == {}
