"""The site file is checked before anything is done, and the firewall and the operator's page follow from it."""

import re
from pathlib import Path

import pytest

from infra.errors import InvalidSite
from infra.nodes.common import ports
from infra.site import HERE, load_site

GOOD = """
[site]
name = "falcon.example"
operators = ["10.0.0.9"]
[nodes.one]
address = "10.0.0.1"
roles = ["db"]
[nodes.two]
address = "10.0.0.2"
roles = ["compute"]
[nodes.three]
address = "10.0.0.3"
roles = ["web"]
"""


def use(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(text)
    monkeypatch.setenv("FALCON_SITE", str(path))
    return path


def test_nodes_are_deployed_database_first_and_web_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(GOOD, tmp_path, monkeypatch)
    site = load_site()
    assert site.select("all") == ["one", "two", "three"]
    assert site.select("web") == ["three"]
    assert site.select("two") == ["two"]
    with pytest.raises(InvalidSite, match="four: no such node; known are all, one, two, three"):
        site.select("four")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("10.0.0.2", "10.0.0.1", "two nodes have the same address"),
        ('roles = ["web"]', 'roles = ["compute"]', "exactly one node must have the role web"),
        ("10.0.0.3", "falcon-web", "nodes.three.address"),
        ('operators = ["10.0.0.9"]', "operators = []", "site.operators"),
        ("[nodes.three]", "[nodes.three]\ncolour = 1", "nodes.three.colour"),
        ("[site]", "[site", "site.toml"),
    ],
)
def test_a_site_file_that_cannot_be_used_is_refused_with_its_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, says: str
) -> None:
    use(GOOD.replace(old, new), tmp_path, monkeypatch)
    with pytest.raises(InvalidSite, match=re.escape(says)):
        load_site()


def test_the_operators_page_lists_every_port_that_is_open() -> None:
    site = load_site()
    page = (HERE / "README.md").read_text()
    listed = set(re.findall(r"^\| (db|compute|web) \| (\d+) \|", page, re.MULTILINE))
    opened = {(name, str(port.port)) for name in site.nodes for port in ports(site, name)}
    assert listed == opened


def test_only_the_web_site_is_open_to_everybody() -> None:
    site = load_site()
    everybody = {port.port for name in site.nodes for port in ports(site, name) if not port.sources}
    assert everybody == {80, 443}
