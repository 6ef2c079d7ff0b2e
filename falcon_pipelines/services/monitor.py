"""How a service is, over HTTP, for monitors on the same machine.

/livez is 503 while the loop stands still, /healthz also before its work has begun, /readyz also while it is degraded.
/status tells all of it and is always 200; /metrics is Prometheus'.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from falcon_pipelines.errors import FalconError


class MonitorPortTaken(FalconError):
    """The monitoring address is in use."""


class Monitor:
    """Serves until closed, in threads of its own.

    `health` answers whether the service is alive and ready, and what it says of itself (`alive`, `state`, ...).
    Port 0 takes any free one.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        health: Callable[[], tuple[bool, Mapping[str, Any]]],
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                if self.path == "/healthz":
                    alive, document = health()
                    self._say(document, well=alive)
                elif self.path == "/livez":
                    _, document = health()
                    self._say(document, well=document["alive"])
                elif self.path == "/readyz":
                    alive, document = health()
                    self._say(document, well=alive and document["state"] == "ok")
                elif self.path == "/status":
                    self._say(health()[1], well=True)
                elif self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                else:
                    self._answer(404, "text/plain", b"/livez, /readyz, /healthz, /status and /metrics\n")

            def _say(self, document: Mapping[str, Any], *, well: bool) -> None:
                self._answer(200 if well else 503, "application/json", json.dumps(document).encode())

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
                """Requests of monitors are not news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise MonitorPortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
