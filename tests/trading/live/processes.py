"""`falcon trader` and `falcon feed` as processes on a test's database, to be killed, doubled and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import urlopen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A service on a port of its own; at the end of its block it is killed."""

    command: str
    port_setting: str

    def __init__(self, url: str, home: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = (home / f"{self.command}-{self.port}.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "falcon_pipelines", self.command],
            env={
                **os.environ,
                "FALCON_HOME": str(home),
                "FALCON_DATABASE_URL": url,
                self.port_setting: str(self.port),
                **environment,
            },
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def get(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as reply:
            return str(reply.read().decode())

    def is_up(self) -> bool:
        assert self.process.poll() is None, Path(self.log.name).read_text()
        try:
            return bool(json.loads(self.get("/healthz"))["alive"])
        except OSError:
            return False

    def health(self) -> str:
        """What it says of itself, well or not; nothing while it does not listen yet."""
        try:
            return self.get("/healthz")
        except HTTPError as reply:
            return str(reply.read().decode())
        except OSError:
            return ""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 20) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it wrote to its log; the last line may be cut by a kill."""
        found = []
        for line in Path(self.log.name).read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                assert self.process.poll() == -signal.SIGKILL, line
        return found


class Trader(Process):
    """`falcon trader`."""

    command, port_setting = "trader", "FALCON_TRADER_PORT"


class Feed(Process):
    """`falcon feed`, replaying what is stored."""

    command, port_setting = "feed", "FALCON_FEED_PORT"

    def __init__(self, url: str, home: Path, *, speed: float = 0, **environment: str) -> None:
        super().__init__(url, home, FALCON_FEED="replay", FALCON_FEED_REPLAY_SPEED=str(speed), **environment)
