"""Looks at nodes from the operator's side, one question after the other, and says what to do about each bad answer."""

import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from infra import layout, ssh
from infra.errors import DeployError
from infra.nodes import compute, web
from infra.nodes.common import ports
from infra.nodes.releases import as_if_current
from infra.site import Site
from infra.status import services
from infra.steps import STAMPS

_CLOCK_SECONDS = 2.0
_DISK_PERCENT = 85
_CERTIFICATE_DAYS = 25
_AUTHORITY_DAYS = 300

_ASK = r"""
echo "clock $(date +%s.%N)"
echo "synchronised $(timedatectl show -P NTPSynchronized 2>/dev/null) $(systemd-detect-virt --container)"
df --output=pcent,target -x tmpfs -x devtmpfs -x overlay / {var} 2>/dev/null | tail -n +2 | sort -u | sed 's/^/disk /'
df --output=pcent,target / | tail -1 | sed 's/^/disk /'
for f in {tls}/node.crt {authority}/node.crt; do
  end=$(openssl x509 -noout -enddate -in $f 2>/dev/null | cut -d= -f2)
  echo "days $f $(( ($(date -d "${{end:-1970-01-01}}" +%s) - $(date +%s)) / 86400 ))"
done
openssl verify -CAfile {tls}/ca.crt -untrusted {authority}/node.crt {tls}/node.crt >/dev/null 2>&1 || echo "chain bad"
nft list ruleset 2>/dev/null | grep -q 'hook input.*policy drop' && echo "firewall on" || echo "firewall off"
sha256sum /etc/nftables.conf 2>/dev/null | cmp -s - {stamps}/nftables.sha256 || echo "firewall unconfirmed"
find /etc/falcon {var} -xdev \( -name '*.key' -o -name '*.pgpass' -o -name secrets.env \) -perm /007 \
  -printf 'open %p %m\n' 2>/dev/null
find /opt/falcon -xdev ! -user root -printf 'foreign %p\n' -quit 2>/dev/null
ss -Hltn | awk '{{print "listens " $4}}' | sort -u
for u in {units}; do
  echo "unit $u $(systemctl show -P ActiveState $u) $(systemctl show -P Result $u) $(systemctl show -P NRestarts $u)"
done
systemctl is-active --quiet falcon-certificate.timer && echo "timer on" || echo "timer off"
systemctl is-enabled --quiet unattended-upgrades && echo "upgrades on" || echo "upgrades off"
grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null && echo "memory on" || echo "memory off"
[ -e /var/run/reboot-required ] && echo "reboot needed" || true
"""


@dataclass(frozen=True)
class Problem:
    """What is wrong on a node, and what to do."""

    node: str
    what: str
    do: str


def examine(site: Site, nodes: list[str]) -> bool:
    """Print every problem of the nodes; whether there was none."""
    with ThreadPoolExecutor(len(nodes)) as pool:
        found = [
            problem for problems in pool.map(lambda name: _node(site, name), nodes) for problem in problems
        ]
    if not found:
        Console().print(f"No problem on {', '.join(nodes)}.")
        return True
    table = Table("Node", "Problem", "What to do")
    for problem in found:
        table.add_row(problem.node, problem.what, problem.do)
    Console().print(table)
    return False


def _node(site: Site, name: str) -> list[Problem]:
    script = _ASK.format(
        var=layout.VAR,
        tls=layout.TLS,
        authority=layout.AUTHORITY,
        stamps=STAMPS,
        units=" ".join(services(site, name)),
    )
    try:
        before = time.time()
        done = ssh.ask(site, name, f"sudo sh -c {shlex.quote(script)}")
        after = time.time()
    except DeployError as error:
        return [Problem(name, str(error).removeprefix(f"{name}: "), "is it on, and on the network?")]
    problems = [Problem(name, what, do) for what, do in findings(site, name, done.stdout, before, after)]
    return problems + _database(site, name)


def findings(site: Site, name: str, answers: str, before: float, after: float) -> list[tuple[str, str]]:
    """What is wrong by a node's answers, given between two moments of the operator's clock, each with what to do."""
    found: list[tuple[str, str]] = []
    table = {f"{port.port}" for port in ports(site, name)} | {str(site.nodes[name].ssh_port)}
    heard: set[str] = set()
    for line in answers.splitlines():
        match line.split():
            case ["clock", seconds]:
                off = max(before - float(seconds), float(seconds) - after, 0.0)
                if off > _CLOCK_SECONDS:
                    found.append(
                        (f"its clock is {off:.0f} s off", "systemctl restart chrony; chronyc tracking")
                    )
            case ["synchronised", "no", "none"]:
                found.append(
                    ("its clock is not synchronised", "chronyc sources: is a time server reachable?")
                )
            case ["disk", percent, where] if int(percent.rstrip("%")) >= _DISK_PERCENT:
                found.append((f"{where} is {percent} full", f"du -xh -d2 {where} | sort -h | tail"))
            case ["days", path, days]:
                found += _certificate(path, int(days))
            case ["chain", "bad"]:
                found.append(("its certificate is not of this site's authority", "deploy.sh setup " + name))
            case ["firewall", "off"]:
                found.append(("no firewall is loaded", "deploy.sh setup " + name))
            case ["firewall", "unconfirmed"]:
                found.append(("its firewall is not the confirmed one", "deploy.sh setup " + name))
            case ["open", path, mode]:
                found.append((f"{path} can be read by others ({mode})", "deploy.sh setup " + name))
            case ["foreign", path]:
                found.append((f"{path} is not root's", "chown -R root: /opt/falcon; find out who changed it"))
            case ["listens", address]:
                host, _, port = address.rpartition(":")
                heard.add(port if not _is_loopback(host) else "")
                if not _is_loopback(host) and port not in table:
                    found.append((f"something listens on {address}", f"ss -ltnp | grep :{port}; see Ports"))
            case ["unit", unit, *state]:
                found += _unit(unit, state)
            case ["timer", "off"]:
                found.append(("its certificate is not renewed", "deploy.sh setup " + name))
            case ["upgrades", "off"]:
                found.append(("security updates are not installed", "deploy.sh setup " + name))
            case ["memory", "off"]:
                found.append(
                    (
                        "memory limits do not work",
                        "cgroup_enable=memory in /boot/firmware/cmdline.txt, then reboot",
                    )
                )
            case ["reboot", "needed"]:
                found.append(("updates wait for a reboot", "reboot it outside trading hours"))
            case _:
                pass
    found += [
        (f"nothing listens on port {port}", "deploy.sh status " + name) for port in sorted(table - heard)
    ]
    return found


def _is_loopback(host: str) -> bool:
    return bool(re.match(r"^(127\.|\[::1\]|\[::ffff:127\.)", host))


def _certificate(path: str, days: int) -> list[tuple[str, str]]:
    if path == f"{layout.TLS}/node.crt" and days < _CERTIFICATE_DAYS:
        return [(f"its certificate has {days} days left", "journalctl -u falcon-certificate")]
    if path == f"{layout.AUTHORITY}/node.crt" and days < _AUTHORITY_DAYS:
        return [(f"what it renews its certificate with has {days} days left", "deploy.sh setup all")]
    return []


def _unit(unit: str, state: list[str]) -> list[tuple[str, str]]:
    match state:
        case ["active", _, restarts] if restarts.isdecimal() and int(restarts) > 0:
            return [(f"{unit} was restarted {restarts} times by itself", f"journalctl -u {unit} -p warning")]
        case ["active", *_] | ["inactive", "exec-condition", *_]:
            return []
    return [(f"{unit} is {state[0] if state else 'unknown'}", f"journalctl -u {unit} -n 50")]


def _database(site: Site, name: str) -> list[Problem]:
    """Whether the node reaches the database as its services do."""
    roles = site.nodes[name].roles
    if "compute" not in roles and "web" not in roles:
        return []
    credentials = (compute.CODE_SERVER if "compute" in roles else web.DASHBOARD).credentials
    program = (
        "import os, psycopg2; url = os.environ['FALCON_DATABASE_URL'].replace('+psycopg2', ''); "
        "psycopg2.connect(url, connect_timeout=3)"
    )
    command = f"{layout.VENV}/bin/python -c {shlex.quote(program)}"
    line = as_if_current("$(basename $(realpath /opt/falcon/current))", credentials, command)
    try:
        done = ssh.ask(site, name, f"sudo sh -c {shlex.quote(line)}")
    except DeployError as error:
        return [Problem(name, f"asking for the database: {error}", "deploy.sh status db")]
    if done.returncode == 0:
        return []
    said = [line for line in done.stderr.splitlines() if line.strip()]
    return [
        Problem(
            name,
            f"it does not reach the database: {said[-1] if said else 'no message'}",
            "deploy.sh status db",
        )
    ]
