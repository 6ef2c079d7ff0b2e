"""Logging in and out, and the question nginx asks before it shows somebody the Dagster UI."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from falcon_pipelines.dashboard.access.cookies import forget_session, remember_session
from falcon_pipelines.dashboard.access.doorkeeper import Doorkeeper, LoginThrottled, WrongLogin
from falcon_pipelines.dashboard.access.gate import came_from_another_site, names_another_origin
from falcon_pipelines.dashboard.access.sessions import Identity
from falcon_pipelines.dashboard.addresses import own_path
from falcon_pipelines.dashboard.pages.page import page_router
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.db.users import Role

router = page_router()

Next = Annotated[str | None, Query(alias="next", max_length=4000)]


@router.get("/login")
async def login_page(request: Request, wanted: Next = None) -> Response:
    """The form; while there is no user, how to make one."""
    if request.state.identity is not None:
        return RedirectResponse(own_path(wanted), status_code=303)
    if await _doorkeeper(request).directory.is_empty():
        return render(request, "first_user.html")
    return _form(request, own_path(wanted))


@router.post("/login")
async def log_in(request: Request) -> Response:
    """A session, or the form again with the reason."""
    form = request.state.form
    name, password, wanted = form.get("name", ""), form.get("password", ""), own_path(form.get("next"))
    if not name.strip() or not password:
        return _form(request, wanted, name=name, problem="Enter your name and your password.", status=422)
    address = request.client.host if request.client else ""
    request.state.asked = f"log in as {name.strip()[:64]}"
    try:
        login = await _doorkeeper(request).log_in(name, password, address)
    except WrongLogin as error:
        return _form(request, wanted, name=name, problem=str(error), status=401)
    except LoginThrottled as error:
        response = _form(request, wanted, name=name, problem=str(error), status=429)
        response.headers["Retry-After"] = str(error.seconds)
        return response
    answer = RedirectResponse(wanted, status_code=303)
    remember_session(request, answer, login.cookie)
    request.state.identity = login.identity
    return answer


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End this session; the cookie is worth nothing from now on."""
    identity: Identity = request.state.identity
    await _doorkeeper(request).log_out(identity)
    answer = RedirectResponse("/login", status_code=303)
    forget_session(request, answer)
    return answer


@router.get("/auth")
async def may_pass(request: Request, role: Role = "viewer") -> Response:
    """For nginx's auth_request: 204 with the name and the role, 401 without login, 403 when the role is too small.

    nginx passes the browser's own headers, `X-Original-URI` and `X-Original-Method`. What another site's page sends is
    refused, and so is its link to anything but a page: a GraphQL query in an address may change things.
    """
    if _is_led_astray(request):
        return Response(status_code=403)
    identity: Identity | None = request.state.identity
    if identity is None:
        return Response(status_code=401)
    if role == "operator" and not identity.may_ask:
        return Response(status_code=403)
    return Response(status_code=204, headers={"X-Falcon-User": identity.name, "X-Falcon-Role": identity.role})


def _is_led_astray(request: Request) -> bool:
    if names_another_origin(request):
        return True
    if not came_from_another_site(request):
        return False
    asked = urlsplit(request.headers.get("x-original-uri", "")).path
    opens_a_page = (
        request.headers.get("sec-fetch-mode") == "navigate"
        and request.headers.get("sec-fetch-dest") == "document"
        and request.headers.get("x-original-method", "GET") in ("GET", "HEAD")
    )
    return not opens_a_page or "graphql" in asked.lower()


def _doorkeeper(request: Request) -> Doorkeeper:
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    return doorkeeper


def _form(
    request: Request, wanted: str, *, name: str = "", problem: str | None = None, status: int = 200
) -> Response:
    return render(
        request, "login.html", status=status, wanted=wanted, name=name.replace("\0", "")[:64], problem=problem
    )
