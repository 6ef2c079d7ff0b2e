"""Stands before every route: who asks, whether they may, and whether what they send is from our own page.

Everything is closed unless it is named here, so that a new route is behind the login without saying so. What a
request must fulfil to change anything:

- it comes from our own origin, by what browsers say of themselves (`Sec-Fetch-Site`, `Origin`);
- it carries a token of the session: a form in the field `csrf_token`, JSON in the header `X-CSRF-Token`. The
  origin headers alone would do in today's browsers; the token holds where a proxy drops them or a browser is old;
- it has the one content type its address takes, which keeps other sites' forms out of the JSON API;
- an operator sent it.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from falcon_pipelines.dashboard.access.doorkeeper import Doorkeeper
from falcon_pipelines.dashboard.access.policy import is_loopback
from falcon_pipelines.dashboard.access.sessions import Identity, cookie_name, new_visit
from falcon_pipelines.dashboard.addresses import login_address
from falcon_pipelines.dashboard.database import DatabaseBehind
from falcon_pipelines.dashboard.failures import database_down, refusal
from falcon_pipelines.db.engine import DatabaseUnavailable

LARGEST_BODY = 1_048_576
MOST_FIELDS = 100
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
LOGIN = "/login"
API_SESSION = "/api/v1/session"
_OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/favicon.ico")
_OPEN_FOLDERS = ("/static/",)
_FOR_MONITORS = ("/metrics", "/status")
_DECIDES_ITSELF = (("GET", LOGIN), ("POST", LOGIN), ("POST", API_SESSION), ("GET", "/auth"))
"""These answer somebody without a session themselves."""
_FOR_EVERYBODY = (LOGIN, "/logout", API_SESSION)
"""What viewers may send, too."""


class _Refusal(Exception):
    """Why a request is not let through."""

    def __init__(self, status: int, heading: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.heading = heading
        self.message = message


class Gate:
    """ASGI middleware; leaves `identity`, `visit` and `form` in the request's state."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper) -> None:
        self._app = app
        self._doorkeeper = doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.identity = None
        request.state.visit = ""
        path = request.url.path
        if path in _OPEN_PATHS or path.startswith(_OPEN_FOLDERS):
            await self._app(scope, receive, send)
            return
        try:
            send = self._remember_visit(request, send)
            self._require_this_machine(request)
            if path in _FOR_MONITORS:
                self._require_monitor(request)
                await self._app(scope, receive, send)
                return
            identity = await self._identify(request)
            request.state.identity = identity
            answer = self._without_login(request) if identity is None else None
            if answer is None and request.method not in SAFE_METHODS:
                receive = await self._checked_body(request, identity)
        except (DatabaseUnavailable, DatabaseBehind) as error:
            answer = await database_down(request, error)
        except _Refusal as why:
            answer = refusal(request, why.message, status=why.status, heading=why.heading)
        await (answer or self._app)(scope, receive, send)

    async def _identify(self, request: Request) -> Identity | None:
        cookie = request.cookies.get(cookie_name("session", secure=_is_secure(request)))
        return await self._doorkeeper.identify(cookie, request.state.visit)

    def _without_login(self, request: Request) -> Response | None:
        path = request.url.path
        if (request.method, path) in _DECIDES_ITSELF:
            return None
        if path.startswith("/api/") or path == "/live":
            return JSONResponse({"detail": f"log in first: POST {API_SESSION}"}, status_code=401)
        return RedirectResponse(login_address(request), status_code=303)

    async def _checked_body(self, request: Request, identity: Identity | None) -> Receive:
        """The body again for the route, once the request is known to be meant; raises _Refusal."""
        _require_own_origin(request)
        body = await _read_body(request)
        path = request.url.path
        form = _form(request, body)
        request.state.form = form
        if path != API_SESSION or request.method != "POST":
            token = request.headers.get("x-csrf-token") if form is None else form.get("csrf_token")
            session = identity.session if identity else request.state.visit
            if not session or not self._doorkeeper.sessions.is_token(token, session):
                raise _Refusal(
                    403,
                    "This form is too old",
                    "Its token is missing or of another session. Go back, reload the page and send it again."
                    if form is not None
                    else "the header X-CSRF-Token is missing or of another session; GET /api/v1/session gives one",
                )
        if identity is not None and not identity.may_ask and path not in _FOR_EVERYBODY:
            raise _Refusal(
                403, "You may look, not ask", f"{identity.name} is a viewer. An operator can do this."
            )
        return _replay(body, request.receive)

    def _require_this_machine(self, request: Request) -> None:
        """Without login, only pages asked for under this machine's own name: others were led here by their DNS."""
        if self._doorkeeper.policy.login:
            return
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if not is_loopback(name) or _came_through_a_proxy(request):
            raise _Refusal(
                403, "Open on this machine only", "This dashboard has no login and answers on 127.0.0.1 only."
            )

    def _require_monitor(self, request: Request) -> None:
        policy = self._doorkeeper.policy
        address = request.client.host if request.client else ""
        if address not in policy.metrics_from or (not policy.proxies and _came_through_a_proxy(request)):
            raise _Refusal(403, "Not for you", "FALCON_METRICS_FROM says who may read the metrics.")

    def _remember_visit(self, request: Request, send: Send) -> Send:
        """Before a login, form tokens are bound to a cookie of random content."""
        secure = _is_secure(request)
        name = cookie_name("visit", secure=secure)
        present = request.cookies.get(name, "")
        if present.startswith("visit-") and len(present) < 100:
            request.state.visit = present
            return send
        if request.url.path.startswith("/api/") and self._doorkeeper.policy.login:
            return send
        request.state.visit = new_visit()

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                attributes = "; Secure" if secure else ""
                cookie = f"{name}={request.state.visit}; Path=/; HttpOnly; SameSite=Lax{attributes}"
                message.setdefault("headers", []).append((b"set-cookie", cookie.encode()))
            await send(message)

        return with_cookie


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _came_through_a_proxy(request: Request) -> bool:
    return any(name in request.headers for name in ("x-forwarded-for", "x-real-ip", "forwarded"))


def names_another_origin(request: Request) -> bool:
    """Whether the browser says that a page of another site sent this."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()


def came_from_another_site(request: Request) -> bool:
    """Whether the browser says that another site led here, by a link or otherwise."""
    return request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _require_own_origin(request: Request) -> None:
    if names_another_origin(request) or came_from_another_site(request):
        raise _Refusal(403, "Sent from another site", "This was sent from a page that is not Falcon's.")


async def _read_body(request: Request) -> bytes:
    too_large = _Refusal(413, "That is too much", f"Falcon takes at most {LARGEST_BODY:,} bytes at once.")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > LARGEST_BODY:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise too_large
    return bytes(body)


def _form(request: Request, body: bytes) -> Mapping[str, str] | None:
    """The fields of a form, None for JSON; each field once."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.url.path.startswith("/api/"):
        if body and kind != JSON:
            raise _Refusal(415, "Wrong content type", f"this address takes {JSON}")
        return None
    if kind != FORM:
        raise _Refusal(415, "Wrong content type", f"Forms are sent as {FORM}.")
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise _Refusal(400, "That form cannot be read", "It is not text, or has too many fields.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise _Refusal(400, "That form cannot be read", "It names a field twice.")
    return form


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay
