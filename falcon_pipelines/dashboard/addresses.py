"""Addresses of our own that come back from outside: where to go after a login."""

from urllib.parse import quote, urlencode, urlsplit

from starlette.requests import Request

HOME = "/"
_LONGEST = 2000
_NOT_TO = ("/login", "/logout", "/auth", "/live", "/api/", "/static/")


def own_path(address: str | None) -> str:
    """The path and query of a page of ours; the first page for anything that could lead elsewhere."""
    if not address or len(address) > _LONGEST or not address.startswith("/"):
        return HOME
    if address.startswith("//") or "\\" in address or any(c <= " " or c == "\x7f" for c in address):
        return HOME
    try:
        parts = urlsplit(address)
    except ValueError:
        return HOME
    if parts.scheme or parts.netloc or parts.path.startswith("//") or parts.path.startswith(_NOT_TO):
        return HOME
    return quote(parts.path, safe="/%:@!$&'()*+,;=-._~") + (f"?{parts.query}" if parts.query else "")


def login_address(request: Request) -> str:
    """The login page, which leads back to what was asked for."""
    query = request.url.query
    wanted = own_path(request.url.path + (f"?{query}" if query and request.method == "GET" else ""))
    return "/login" if wanted == HOME else "/login?" + urlencode({"next": wanted})
