"""Unit files and nginx's configuration keep what makes them safe."""

import re

import pytest

from infra import layout, steps
from infra.nodes import compute, web
from infra.nodes.services import Service, unit
from infra.site import load_site

SITE = load_site()
ALL = [*compute.services(SITE, SITE.with_role("compute")[0]), *web.SERVICES]


@pytest.mark.parametrize("service", ALL, ids=lambda service: service.name)
def test_every_service_is_hardened_and_comes_back(service: Service) -> None:
    text = unit(service)
    for line in (
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        f"User={layout.USER}",
    ):
        assert line in text.splitlines()
    assert ("MemoryDenyWriteExecute=yes" in text) is not service.jit
    assert re.search(r"^Restart=(always|on-failure)$", text, re.MULTILINE)


@pytest.mark.parametrize("service", ALL, ids=lambda service: service.name)
def test_no_service_gets_a_password_of_a_role_it_does_not_use(service: Service) -> None:
    text = unit(service)
    assert ("LoadCredential=" in text) is bool(service.roles)
    assert ("secrets.env" in text) is bool(service.roles and service.secrets)


def test_the_trader_goes_before_backtests() -> None:
    assert "Slice=falcon-live.slice" in unit(compute.TRADER)
    assert "Slice=falcon-work.slice" in unit(compute.CODE_SERVER)
    weights = {
        name: int(found.group(1))
        for name, text in layout.SLICES.items()
        if (found := re.search(r"CPUWeight=(\d+)", text))
    }
    assert weights[layout.LIVE_SLICE] >= 10 * weights[layout.WORK_SLICE]


def test_a_feed_that_is_not_configured_is_skipped_and_says_so() -> None:
    (line,) = [line for line in unit(compute.FEED).splitlines() if line.startswith("ExecCondition=")]
    assert '"$${FALCON_FEED:-off}"' in line
    assert "not configured: FALCON_FEED is off" in line


def test_no_location_of_nginx_drops_the_security_headers() -> None:
    values = {"name": "falcon.example", "address": "10.0.0.3", "layout": layout}
    for template in ("nginx.conf.j2", "nginx-dagster.conf.j2", "nginx-proxy.conf.j2"):
        assert "add_header" not in steps.render(template, **values)
    site = steps.render("nginx.conf.j2", **values)
    assert site.count("include /etc/nginx/falcon-headers.conf;") == site.count("listen 443")
