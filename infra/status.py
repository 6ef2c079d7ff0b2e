"""How the nodes are: one table over ssh, with what is wrong said in words."""

import json
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from infra import layout, ssh
from infra.errors import DeployError
from infra.nodes import backup, monitoring, releases
from infra.nodes.compute import CODE_SERVER
from infra.site import Site

_DISK_PERCENT = 90
# Renewed with 30 left: fewer mean that the timer fails.
_CERTIFICATE_DAYS = 25
_ASK = """
for u in {units}; do echo "unit $u $(systemctl is-active $u) $(systemctl show -P Result $u)"; done
echo "release $(readlink {current} | sed s,releases/,,)"
echo "disk $(df --output=pcent {folder} 2>/dev/null | tail -1 | tr -dc 0-9)"
end=$(sudo openssl x509 -noout -enddate -in {tls}/node.crt 2>/dev/null | cut -d= -f2)
[ -n "$end" ] && echo "certificate $(( ($(date -d "$end" +%s) - $(date +%s)) / 86400 ))"
echo "up $(cut -d. -f1 /proc/uptime)"
"""


@dataclass(frozen=True)
class NodeStatus:
    """What a node says of itself; `problems` is empty when it is well."""

    name: str
    release: str
    units: str
    disk_percent: int | None
    certificate_days: int | None
    problems: tuple[str, ...]


def report(site: Site, nodes: list[str]) -> bool:
    """Print the table; whether all is well."""
    with ThreadPoolExecutor(len(nodes)) as pool:
        found = list(pool.map(lambda name: node_status(site, name), nodes))
    table = Table("Node", "Services", "Release", "Disk", "Certificate", "Problems")
    for node in found:
        table.add_row(
            node.name,
            node.units,
            node.release or "—",
            "—" if node.disk_percent is None else f"{node.disk_percent} %",
            "—" if node.certificate_days is None else f"{node.certificate_days} days",
            "; ".join(node.problems) or "none",
        )
    console = Console()
    console.print(table)
    well = not any(node.problems for node in found)
    asked = [name for name in nodes if name == site.with_role("compute")[0]]
    return all([well, *(_installation(site, name, console) for name in asked)])


def _installation(site: Site, name: str, console: Console) -> bool:
    """What Falcon says of itself on compute: heartbeats, backups, the last drill, the newest session; whether all is well."""
    script = f"in_use=$(readlink {layout.CURRENT}) || exit 9; " + releases.as_if_current(
        "$(basename $in_use)", CODE_SERVER.credentials, f"{layout.VENV}/bin/falcon status --json"
    )
    try:
        done = ssh.ask(site, name, f"sudo sh -c {shlex.quote(script)}", timeout=90)
        checks = json.loads(done.stdout)["checks"]
    except (DeployError, ValueError, KeyError):
        console.print(f"{name}: falcon status gives no answer")
        return False
    table = Table("", "What", "Detail")
    for check in checks:
        table.add_row("ok" if check["ok"] else "PROBLEM", check["name"], check["detail"])
    console.print(table)
    return all(check["ok"] for check in checks)


def services(site: Site, name: str) -> list[str]:
    """The units that make up Falcon on a node."""
    of_kinds = [
        unit for kind in site.kinds(name) for unit in (*layout.FOREIGN_UNITS[kind], *layout.UNITS[kind])
    ]
    return [*of_kinds, *backup.units(site, name), *monitoring.units(site, name)]


def node_status(site: Site, name: str) -> NodeStatus:
    """Ask a node; one that does not answer is a problem of its own, not an error."""
    units = services(site, name)
    try:
        done = ssh.ask(
            site,
            name,
            _ASK.format(units=" ".join(units), current=layout.CURRENT, folder=layout.VAR, tls=layout.TLS),
        )
    except DeployError as error:
        return NodeStatus(name, "", "unknown", None, None, (str(error).removeprefix(f"{name}: "),))
    problems: list[str] = []
    running = skipped = 0
    release, disk, days = "", None, None
    for line in done.stdout.splitlines():
        match line.split():
            case ["unit", unit, "active", _]:
                running += 1
            case ["unit", unit, "inactive", "exec-condition"]:
                skipped += 1
            case ["unit", unit, state, *_]:
                problems.append(f"{unit} is {state}")
            case ["release", version]:
                release = version
            case ["disk", percent]:
                disk = int(percent)
            case ["certificate", left]:
                days = int(left)
            case _:
                pass
    if disk is not None and disk >= _DISK_PERCENT:
        problems.append(f"disk {disk} % full")
    if days is None or days < _CERTIFICATE_DAYS:
        problems.append(
            "no certificate"
            if days is None
            else f"certificate ends in {days} days; see journalctl -u falcon-certificate"
        )
    return NodeStatus(name, release, _counted(running, skipped, len(units)), disk, days, tuple(problems))


def _counted(running: int, skipped: int, units: int) -> str:
    return f"{running} of {units}" + (f", {skipped} not configured" if skipped else "")
