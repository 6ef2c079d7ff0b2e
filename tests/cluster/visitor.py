"""Somebody with a browser in one of the bed's networks: HTTPS requests with the site's authority trusted."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.cluster.network import Network


@dataclass(frozen=True)
class Answer:
    """What came back, and how long it took."""

    status: int
    headers: Mapping[str, str]
    body: str
    seconds: float

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Visitor:
    """Requests to `address` from the namespace `where`; remembers cookies as a browser does."""

    def __init__(self, network: Network, where: str, address: str, authority: str | None) -> None:
        self._network, self._where, self.address = network, where, address
        self.cookies: dict[str, str] = {}
        self._csrf = ""
        self._context = ssl.create_default_context(cadata=authority) if authority else _trusting()

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 15,
    ) -> Answer:
        """One request over a connection of its own; raises OSError or HTTPException as they come."""
        started = time.monotonic()
        connection = self._connection(timeout)
        sent = {"Host": self.address, "User-Agent": "falcon-bed", **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        text = None
        if body is not None:
            text = json.dumps(body)
            sent |= {"Content-Type": "application/json", "Origin": f"https://{self.address}"}
            if self._csrf:
                sent["X-CSRF-Token"] = self._csrf
        try:
            connection.request(method, path, text, sent)
            response = connection.getresponse()
            content = response.read().decode("utf-8", "replace")
            for name, value in response.getheaders():
                if name.lower() == "set-cookie":
                    key, _, rest = value.partition("=")
                    self.cookies[key] = rest.partition(";")[0]
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, content, time.monotonic() - started)
        finally:
            connection.close()

    def get(self, path: str, *, timeout: float = 15) -> Answer:
        """GET."""
        return self.ask("GET", path, timeout=timeout)

    def post(self, path: str, body: object, *, timeout: float = 15) -> Answer:
        """POST as JSON."""
        return self.ask("POST", path, body, timeout=timeout)

    def log_in(self, name: str, password: str) -> None:
        """A session of this user's."""
        answer = self.post("/api/v1/session", {"name": name, "password": password})
        assert answer.status == 200, f"login of {name}: {answer.status} {answer.body[:200]}"
        self._csrf = answer.json()["csrf_token"]

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None, *, timeout: float = 30) -> Any:
        """The data of a question to Dagster, behind the dashboard's login; raises AssertionError on an error."""
        answer = self.post(
            "/dagster/graphql", {"query": query, "variables": variables or {}}, timeout=timeout
        )
        assert answer.status == 200, f"/dagster/graphql: {answer.status} {answer.body[:200]}"
        document = answer.json()
        assert not document.get("errors"), str(document["errors"])[:500]
        return document["data"]

    def _connection(self, timeout: float) -> http.client.HTTPSConnection:
        plain = self._network.connect(self._where, self.address, 443, timeout)
        plain.settimeout(timeout)
        connection = http.client.HTTPSConnection(self.address, 443, timeout=timeout)
        try:
            connection.sock = self._context.wrap_socket(plain, server_hostname=self.address)
        except (OSError, ssl.SSLError):
            plain.close()
            raise
        return connection


def handshake(sock: socket.socket, address: str, context: ssl.SSLContext) -> str:
    """The TLS version that a server agrees to; raises ssl.SSLError or OSError when it does not."""
    with sock, context.wrap_socket(sock, server_hostname=address) as wrapped:
        return wrapped.version() or ""


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
