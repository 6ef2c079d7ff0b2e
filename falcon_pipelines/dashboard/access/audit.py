"""One line about each request: who asked what, when, from where, and how it ended. Queries and bodies are left out."""

import json
import logging
import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("falcon.audit")

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Traffic:
    """The numbers of one process for Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "falcon_dashboard_requests_total",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "falcon_dashboard_request_seconds",
            "Time until the answer was complete; open streams are left out.",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )


class Audit:
    """ASGI middleware, outside of everything that may answer.

    A route says what was asked for by `request.state.asked = "pause rsi_pullback paper"`.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._write(scope, status, time.perf_counter() - started)

    def _write(self, scope: Scope, status: int, seconds: float) -> None:
        state = scope.get("state", {})
        identity = state.get("identity")
        line = {
            "who": identity.name if identity else None,
            "role": identity.role if identity else None,
            "from": (scope.get("client") or [None])[0],
            "method": scope["method"],
            "path": scope["path"][:500],
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        if state.get("asked"):
            line["asked"] = state["asked"]
        log.info("%s", json.dumps(line))
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._traffic.requests.labels(method, route, str(status)).inc()
        if route != "/live":
            self._traffic.seconds.labels(route).observe(seconds)
