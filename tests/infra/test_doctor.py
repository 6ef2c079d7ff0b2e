"""The doctor names what is wrong on a node, and says nothing of one that is well."""

import pytest

from infra.doctor import findings
from infra.nodes.common import ports
from infra.site import load_site

WELL = """
clock 1000.5
synchronised yes none
disk 40% /
days /etc/falcon/tls/node.crt 80
days /etc/falcon/authority/node.crt 1800
firewall on
listens 0.0.0.0:22
listens [::]:22
LISTENS
listens 127.0.0.1:9999
unit falcon-code-server.service active success 0
unit falcon-feed.service inactive exec-condition 0
timer on
upgrades on
memory on
""".replace(
    "LISTENS", "\n".join(f"listens 192.168.1.232:{port.port}" for port in ports(load_site(), "compute"))
)


def said(answers: str) -> list[str]:
    found = findings(load_site(), "compute", answers, 1000.0, 1001.0)
    assert all(do for _, do in found)
    return [what for what, _ in found]


def test_a_node_that_is_well_has_no_problem() -> None:
    assert said(WELL) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("clock 1000.5", "clock 1300.5", "its clock is 300 s off"),
        ("synchronised yes", "synchronised no", "its clock is not synchronised"),
        ("disk 40% /", "disk 91% /", "/ is 91% full"),
        ("tls/node.crt 80", "tls/node.crt 20", "its certificate has 20 days left"),
        (
            "authority/node.crt 1800",
            "authority/node.crt 10",
            "what it renews its certificate with has 10 days left",
        ),
        ("firewall on", "firewall off", "no firewall is loaded"),
        (
            "firewall on",
            "open /etc/falcon/tls/node.key 644",
            "/etc/falcon/tls/node.key can be read by others (644)",
        ),
        ("listens 127.0.0.1:9999", "listens 0.0.0.0:9999", "something listens on 0.0.0.0:9999"),
        ("listens 192.168.1.232:4265\n", "", "nothing listens on port 4265"),
        ("active success 0", "failed exit-code 0", "falcon-code-server.service is failed"),
        (
            "active success 0",
            "active success 3",
            "falcon-code-server.service was restarted 3 times by itself",
        ),
        ("timer on", "timer off", "its certificate is not renewed"),
    ],
)
def test_each_problem_is_named(old: str, new: str, problem: str) -> None:
    assert old in WELL
    assert said(WELL.replace(old, new)) == [problem]
