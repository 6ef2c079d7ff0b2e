"""Services are started, restarted when they die, and all stopped; nothing is left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from falcon_pipelines.local.supervisor import PortTaken, Service, ServiceFailed, Supervisor, require_free_port

SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.05)


@pytest.fixture
def web(tmp_path: Path) -> Service:
    port = free_port()
    return Service(
        "web", (sys.executable, "-c", SERVER, str(port)), tmp_path / "web.log", f"http://127.0.0.1:{port}/"
    )


def test_a_killed_service_comes_back_and_stop_ends_it(web: Service) -> None:
    supervisor = Supervisor((web,), {})
    supervisor.start()
    supervisor.wait_ready()
    first = supervisor.pids()[0]
    watcher = threading.Thread(target=supervisor.watch, daemon=True)
    watcher.start()
    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor.pids() not in ((), (first,)))
    second = supervisor.pids()[0]
    supervisor.stop()
    until(lambda: not psutil.pid_exists(second))


def test_a_service_that_cannot_start_is_named_with_its_log(tmp_path: Path) -> None:
    broken = Service(
        "broken", (sys.executable, "-c", "raise SystemExit(3)"), tmp_path / "b.log", "http://127.0.0.1:9/"
    )
    supervisor = Supervisor((broken,), {})
    supervisor.start()
    with pytest.raises(ServiceFailed, match=r"broken stopped while starting; see .*b\.log"):
        supervisor.wait_ready()
    supervisor.stop()


def test_killing_the_supervisor_takes_its_services_along(web: Service) -> None:
    program = f"""
import sys, time
from pathlib import Path
from falcon_pipelines.local.supervisor import Service, Supervisor
s = Supervisor((Service("web", {web.command!r}, Path({str(web.log)!r}), {web.health_url!r}),), {{}})
s.start(); s.wait_ready(); print(s.pids()[0], flush=True); time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} .* FALCON_DASHBOARD_PORT"):
            require_free_port("127.0.0.1", port, "the dashboard", "FALCON_DASHBOARD_PORT")
