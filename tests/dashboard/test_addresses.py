"""Addresses that come back from outside lead to pages of ours, or to the first one."""

import pytest

from falcon_pipelines.dashboard.addresses import own_path


@pytest.mark.parametrize("page", ["/", "/trading?ticker=AAPL&account=1", "/videos/a%2Fb", "/screens/3"])
def test_a_page_of_ours_stays_as_it_is(page: str) -> None:
    assert own_path(page) == page


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/%0d%0aSet-Cookie:x=1\r\nX: y",
        "///evil.example",
        "/api/v1/session",
        "/logout",
        "http:evil.example",
        "/" + "a" * 5000,
        "",
        None,
    ],
)
def test_anything_else_leads_to_the_first_page(elsewhere: str | None) -> None:
    assert own_path(elsewhere) == "/"
