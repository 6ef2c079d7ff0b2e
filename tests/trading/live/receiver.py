"""A receiver of notifications on loopback that may refuse or hang up."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What came in; `status` is what the next requests are answered with."""

    port: int = 0
    status: int = 200
    messages: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """As a person writes it into FALCON_NOTIFY_URLS, with a secret in it."""
        return f"json://user:hunter2@127.0.0.1:{self.port}/"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """The receiver, for the time of the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if receiver.status == 200:
                receiver.messages.append((body["title"], body["message"]))
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()
