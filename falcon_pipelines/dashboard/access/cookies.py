"""Setting and clearing the session's cookie."""

from starlette.requests import Request
from starlette.responses import Response

from falcon_pipelines.dashboard.access.sessions import SESSION_SECONDS, cookie_name


def remember_session(request: Request, response: Response, value: str) -> None:
    """Scripts cannot read it, other sites' forms do not carry it, and over https it never travels in clear."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        cookie_name("session", secure=secure),
        value,
        max_age=SESSION_SECONDS,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def forget_session(request: Request, response: Response) -> None:
    """The browser drops it."""
    secure = request.url.scheme == "https"
    response.delete_cookie(
        cookie_name("session", secure=secure), path="/", secure=secure, httponly=True, samesite="lax"
    )
