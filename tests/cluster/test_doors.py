"""What answers to whom, and that no secret shows."""

import re
import ssl
from pathlib import Path

import pytest

from tests.cluster.installation import OPERATOR, PASSWORD, ROOT, VIEWER, Installation
from tests.cluster.leaks import Watch, in_files, in_processes
from tests.cluster.node import Node
from tests.cluster.road import Road
from tests.cluster.visitor import Visitor, handshake

pytestmark = pytest.mark.cluster

EVERYBODY = {"web": {80, 443}}
KNOWN_PORTS = {
    22,
    80,
    443,
    2375,
    3000,
    3001,
    4265,
    5432,
    6379,
    8000,
    8010,
    8080,
    8432,
    9100,
    9113,
    9187,
    9471,
}
HEADERS = ("strict-transport-security", "x-content-type-options", "x-frame-options", "referrer-policy")


def listening(node: Node) -> set[int]:
    """Ports of a node that listen on more than its own loopback."""
    ports = set()
    for line in node.console("ss -Hlntu").splitlines():
        address, _, port = line.split()[4].rpartition(":")
        if not (address.startswith("127.") or address in ("[::1]", "::1")):
            ports.add(int(port))
    return ports


def table_of_ports() -> dict[str, set[int]]:
    """The table in infra/README.md: the ports of each kind of node."""
    table = (ROOT / "infra" / "README.md").read_text().partition("## Ports")[2].partition("\n## ")[0]
    found: dict[str, set[int]] = {"db": set(), "compute": set(), "web": set()}
    for nodes, ports in re.findall(r"^\| ([a-z, ]+) \| ([0-9, ]+) \|", table, re.MULTILINE):
        for node in found if nodes == "all" else re.split(r", ?", nodes.strip()):
            found[node] |= {int(port) for port in re.findall(r"\d+", ports)}
    return found


@pytest.mark.parametrize("name", ["db", "compute", "web"])
def test_a_node_listens_on_exactly_the_ports_of_the_operators_page(site: Installation, name: str) -> None:
    assert listening(site.bed.nodes[name]) == table_of_ports()[name]


@pytest.mark.parametrize("name", ["db", "compute", "web"])
@pytest.mark.parametrize("where", ["wan", "lan"])
def test_from_outside_and_from_the_lan_only_the_web_site_answers(
    site: Installation, name: str, where: str
) -> None:
    bed = site.bed
    tried = KNOWN_PORTS | listening(bed.nodes[name])
    address = bed.network.addresses[name]
    answering = {port for port in tried if bed.network.answers(where, address, port, timeout=0.3)}
    assert answering == EVERYBODY.get(name, set())


def test_the_web_node_reaches_postgresql_but_not_without_certificate_or_password(site: Installation) -> None:
    address = site.bed.network.addresses["db"]
    connect = f"psql -XAtc 'SELECT 1' 'host={address} dbname=falcon user=falcon_web connect_timeout=5"
    own = (
        "sslrootcert=/etc/falcon/tls/ca.crt sslcert=/etc/falcon/tls/node.crt sslkey=/etc/falcon/tls/node.key"
    )
    web = site.bed.web
    for what, options in (
        ("no password", f"sslmode=verify-full {own}"),
        ("no certificate", "sslmode=require sslcert=/nonexistent password=x"),
        ("no TLS", "sslmode=disable password=x"),
    ):
        said = web.console(f"env PGPASSFILE=/nonexistent {connect} {options}' 2>&1 </dev/null", check=False)
        assert "pg_hba.conf" in said or "certificate" in said or "password" in said, f"{what}: {said}"
        assert said.strip() != "1", what


def test_the_code_server_takes_nobody_without_the_web_nodes_certificate(site: Installation) -> None:
    address = site.bed.network.addresses["compute"]
    # From web itself, whose address the firewall lets in, but with the certificate of nobody and of another node.
    said = site.bed.web.console(
        f"timeout 5 openssl s_client -connect {address}:4265 -CAfile /etc/falcon/tls/ca.crt -tls1_3 </dev/null 2>&1; "
        f"sleep 1; echo GET | timeout 5 openssl s_client -quiet -connect {address}:4265 2>&1",
        check=False,
    )
    assert "alert" in said or "certificate required" in said, said[-500:]


@pytest.mark.parametrize("path", ["/api/v1/overview", "/api/v1/orders", "/api/v1/services", "/live"])
def test_nothing_is_told_without_login(site: Installation, path: str) -> None:
    assert site.visitor().get(path).status == 401


@pytest.mark.parametrize("path", ["/", "/trading", "/dagster", "/dagster/runs"])
def test_pages_lead_to_the_login(site: Installation, path: str) -> None:
    answer = site.visitor().get(path)
    assert answer.status in (302, 303)
    assert "/login" in answer.headers["location"]


def test_dagster_answers_nobody_without_login(site: Installation) -> None:
    answer = site.visitor().post("/dagster/graphql", {"query": "{ version }"})
    assert answer.status in (302, 401, 403)
    assert "version" not in answer.body


def test_a_viewer_looks_at_dagster_but_starts_nothing(road: Road) -> None:
    viewer = road.site.visitor()
    viewer.log_in(VIEWER, PASSWORD)
    assert viewer.graphql("{ version }")["version"]
    launched = viewer.post(
        "/dagster/graphql",
        {
            "query": 'mutation { launchRun(executionParams: {selector: {repositoryLocationName: "falcon_pipelines", '
            'repositoryName: "__repository__", jobName: "prove_books"}}) { __typename } }'
        },
    )
    assert launched.status in (200, 403)
    assert "LaunchRunSuccess" not in launched.body


def test_another_sites_page_cannot_ask_dagster_for_anything(road: Road) -> None:
    answer = road.site.olga.ask(
        "POST", "/dagster/graphql", {"query": "{ version }"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    foreign = road.site.olga.ask("GET", "/dagster/runs", headers={"Origin": "https://elsewhere.example"})
    assert answer.status == 403
    assert foreign.status == 403


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(site: Installation, version: ssl.TLSVersion) -> None:
    address = site.bed.network.addresses["web"]
    context = ssl.create_default_context(cadata=site.authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = version
    context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(site.bed.network.connect("lan", address, 443, 5), address, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_todays_tls_is_taken(site: Installation, version: ssl.TLSVersion) -> None:
    address = site.bed.network.addresses["web"]
    context = ssl.create_default_context(cadata=site.authority)
    context.minimum_version = version
    context.maximum_version = version
    assert handshake(site.bed.network.connect("lan", address, 443, 5), address, context)


@pytest.mark.parametrize(
    "path", ["/", "/login", "/nothing-here", "/static/nothing", "/api/v1/overview", "/dagster", "/metrics"]
)
def test_security_headers_are_on_every_answer(site: Installation, path: str) -> None:
    answer = site.visitor().get(path)
    assert [name for name in HEADERS if name not in answer.headers] == []


def test_plain_http_leads_to_https(site: Installation) -> None:
    address = site.bed.network.addresses["web"]
    with site.bed.network.connect("wan", address, 80, 5) as plain:
        plain.sendall(f"GET /trading HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        answer = plain.recv(4096).decode()
    assert answer.split()[1] in ("301", "308")
    assert f"location: https://{address}/trading" in answer.lower()


def test_the_metrics_are_nobodys_in_the_lan(site: Installation) -> None:
    assert site.visitor().get("/metrics").status in (403, 404)


def test_guessing_passwords_is_slowed_down(site: Installation) -> None:
    guesser = site.visitor("wan")
    found = [
        guesser.post("/api/v1/session", {"name": "nobody", "password": f"guess {n}"}).status
        for n in range(25)
    ]
    assert set(found) <= {401, 429, 503}
    assert found.count(401) < 25


def test_no_secret_shows_on_a_node(site: Installation) -> None:
    """Not in files that everybody may read, units among them, and not in arguments or environments of units."""
    secrets = site.secrets
    assert len(secrets) >= 5
    for node in site.bed.nodes.values():
        assert in_files(node, secrets) == set()
        assert in_processes(node, secrets) == set()
        shown = node.console("systemctl show '*' --property=Environment,ExecStart --no-pager")
        assert {name for name, secret in secrets.items() if secret in shown} == set()


def test_no_secret_is_in_a_log(site: Installation) -> None:
    secrets = {**site.secrets, "password of a person": PASSWORD}
    for node in site.bed.nodes.values():
        for logged in (
            node.console("journalctl --no-pager -o cat -b all"),
            node.console("cat /var/log/nginx/*.log 2>/dev/null; true"),
        ):
            assert {name for name, secret in secrets.items() if secret in logged} == set(), node.name


def test_no_secret_shows_at_any_moment_of_a_deploy(site: Installation) -> None:
    """New passwords for everything are brought to the nodes while every process and every passing file is watched."""
    before = site.secrets
    with Watch(list(site.bed.nodes.values()), lambda: {**site.secrets}) as watch:
        said = site.operator("secrets", "all", "--rotate", "falcon_web", "--rotate", "dagster")
        again = site.operator("setup", "all", "--dry-run")
    assert said.code == 0, said.text[-2000:]
    assert site.secrets != before
    assert watch.looks > 5
    assert watch.found == set()
    for text in (said.text, again.text):
        assert {name for name, secret in {**before, **site.secrets}.items() if secret in text} == set()


def test_a_dry_run_of_changed_secrets_shows_none(site: Installation, tmp_path: Path) -> None:
    env = site.state / "compute.env"
    kept = env.read_text()
    env.write_text(f"{kept}FALCON_MASSIVE_API_KEY=not-to-be-seen-by-anybody\n")
    try:
        said = site.operator("setup", "compute", "--dry-run")
    finally:
        env.write_text(kept)
    assert said.code == 0, said.text[-2000:]
    assert said.changes > 0
    assert "not-to-be-seen" not in said.text


def test_services_have_given_up_what_they_do_not_need(site: Installation) -> None:
    """systemd-analyze's score: at most 2.0, and at most 4.0 where a compiler needs memory that is written and run."""
    for name in ("compute", "web"):
        node = site.bed.nodes[name]
        units = node.console(
            "systemctl list-units --plain --no-legend 'falcon-*.service' | awk '{print $1}'"
        ).split()
        for unit in units:
            shown = node.console(f"systemd-analyze security --no-pager {unit} | tail -1")
            score = float(re.findall(r": ([0-9.]+) ", shown)[0])
            jit = "MemoryDenyWriteExecute=no" in node.console(
                f"systemctl show -p MemoryDenyWriteExecute {unit}"
            )
            assert score <= (4.0 if jit else 2.0), f"{unit}: {score}"


def test_a_login_from_elsewhere_works(site: Installation) -> None:
    """The web site is for people outside, too."""
    visitor = Visitor(site.bed.network, "wan", site.bed.network.addresses["web"], site.authority)
    visitor.log_in(OPERATOR, PASSWORD)
    assert visitor.get("/").status == 200
