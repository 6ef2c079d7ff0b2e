"""Every page is reached by links, and every link of every page leads somewhere."""

import re
from collections import deque
from html import unescape
from urllib.parse import urldefrag, urljoin

from fastapi.testclient import TestClient

from tests.dashboard.clients import open_client
from tests.dashboard.seed import seed

MOST = 400
NOT_PAGES = ("/logout", "/static/", "/api/")


def links(html: str, page: str) -> set[str]:
    """Addresses of our own that a page leads to."""
    found = (
        urldefrag(urljoin(page, unescape(href))).url for href in re.findall(r'<a [^>]*?href="([^"]*)"', html)
    )
    return {href for href in found if href.startswith("/") and not href.startswith(NOT_PAGES)}


def fragments(html: str) -> set[str]:
    """Places of its own that a page leads to."""
    return set(re.findall(r'href="#([^"]+)"', html))


def crawl(client: TestClient, start: str = "/") -> dict[str, tuple[int, str]]:
    """Status and body of everything that links lead to."""
    seen: dict[str, tuple[int, str]] = {}
    waiting = deque([start])
    while waiting:
        address = waiting.popleft()
        if address in seen:
            continue
        assert len(seen) < MOST, "the links never end"
        answer = client.get(address)
        seen[address] = (answer.status_code, answer.text)
        if answer.headers["content-type"].startswith("text/html"):
            waiting.extend(sorted(links(answer.text, address) - set(seen)))
    return seen


def test_every_link_of_every_page_leads_somewhere(database_url: str) -> None:
    seed(database_url, readings=True)
    with open_client(database_url) as client:
        found = crawl(client)
    broken = {address: status for address, (status, _) in found.items() if status != 200}
    assert broken == {}
    paths = {address.partition("?")[0] for address in found}
    for path in (
        "/screens/1/NVDA",
        "/screens/profiles/momentum_pullback/edit",
        "/screens/proposals/1/approve",
        "/strategies/1/overlay",
        "/videos/demo0000001",
        "/trading/1/flatten",
        "/trading/1/close",
        "/trading/1/edit_stop",
        "/feeds/unwatch",
        "/data/failed-checks.csv",
    ):
        assert path in paths, path
    for address, (_, body) in found.items():
        lost = {name for name in fragments(body) if f'id="{name}"' not in body}
        assert lost == set(), (address, lost)
