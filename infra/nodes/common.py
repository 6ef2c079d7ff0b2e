"""What every node has: the account, folders, certificates, time, and the firewall."""

from pathlib import Path

from infra import layout, steps
from infra.nodes import backup, monitoring
from infra.site import Site
from infra.vault import Vault

PROGRAMS = Path(__file__).parents[1] / "programs"
# What was sent is sent again for 13 s, instead of 15 minutes, before a connection counts as dead. Until then the
# pauses grow, so that a link that is whole again would stand idle for as long as it was cut.
KERNEL = ("net.ipv4.tcp_retries2", 5)
# Long enough to log in again, short enough to wait for after a mistake.
ROLLBACK_SECONDS = 60


def base(vault: Vault, node: str) -> None:
    """Packages, account, folders, certificates."""
    steps.packages(["nftables", "rsync", "python3-venv", "chrony", "unattended-upgrades", "openssl"])
    steps.account(layout.USER, layout.VAR)
    for path in (layout.OPT, layout.RELEASES, layout.WHEELS, layout.ETC):
        steps.folder(path)
    steps.folder(layout.TLS, mode="750", group=layout.USER)
    # Whoever asks how full the disks are has to get to where they are mounted; what is there is shut to others.
    for path, mode in ((layout.VAR, "751"), (layout.CACHE, "750"), (layout.LOG, "750")):
        steps.folder(path, mode=mode, user=layout.USER, group=layout.USER)
    key, value = KERNEL
    steps.put("/etc/sysctl.d/60-falcon.conf", f"# {steps.MANAGED}\n{key} = {value}\n")
    steps.run(
        "connections to a node that vanished end soon",
        f"sysctl -qw {key}={value}",
        # A container may not; it has its kernel's settings from its host.
        unless=f'[ "$(sysctl -n {key})" = {value} ] || ! [ -w /proc/sys/{key.replace(".", "/")} ]',
    )
    steps.folder(layout.PROGRAMS)
    steps.put(layout.RESTART_PAUSE, (PROGRAMS / "restart_pause.sh").read_text(), mode="755")
    certificates(vault, node)
    steps.enabled("chrony")
    steps.enabled("unattended-upgrades")


def certificates(vault: Vault, node: str) -> None:
    """The site's root, an authority for this node's own names alone, and the timer that renews its certificate with it.

    The root's key never leaves the operator's machine. What a thief of a node could issue is what the node is.
    """
    authority = vault.node_authority(node)
    steps.folder(layout.AUTHORITY, mode="700")
    steps.put(f"{layout.TLS}/ca.crt", vault.authority.pem)
    steps.put(f"{layout.AUTHORITY}/node.crt", authority.pem)
    steps.put(f"{layout.AUTHORITY}/node.key", authority.key, mode="600", secret=True)
    names = ",".join(
        [*(f"DNS:{name}" for name in vault.dns_names(node)), f"IP:{vault.site.nodes[node].address}"]
    )
    steps.put(
        layout.CERTIFICATE_PROGRAM,
        steps.render(
            "certificate.sh.j2", layout=layout, node=node, names=names, roles=vault.site.nodes[node].roles
        ),
        mode="755",
    )
    for kind in ("service", "timer"):
        steps.put(
            f"/etc/systemd/system/falcon-certificate.{kind}",
            steps.render(f"certificate.{kind}.j2", layout=layout),
        )
    steps.run(
        "issue the certificate",
        layout.CERTIFICATE_PROGRAM,
        unless=f"{layout.CERTIFICATE_PROGRAM} --check",
    )
    steps.run(
        "renew the certificate by timer, and at boot",
        "systemctl daemon-reload && systemctl enable --quiet falcon-certificate.service && "
        "systemctl enable --quiet --now falcon-certificate.timer",
        unless="systemctl is-active --quiet falcon-certificate.timer && "
        "systemctl is-enabled --quiet falcon-certificate.timer && systemctl is-enabled --quiet falcon-certificate.service",
    )


def ports(site: Site, node: str) -> tuple[layout.Port, ...]:
    """Everything that may be reached on a node from elsewhere, ssh for operators aside."""
    roles = site.nodes[node].roles
    found: list[layout.Port] = []
    if "db" in roles:
        clients = (*site.addresses("compute"), site.address("web"))
        found.append(layout.Port(layout.POSTGRES_PORT, "PostgreSQL", clients))
    if "compute" in site.kinds(node):
        web, workers = site.address("web"), site.addresses("compute")[1:]
        found.append(layout.Port(layout.CODE_SERVER_PORT, "Dagster code server, in TLS", (web,)))
        found.append(layout.Port(layout.RUNS_PORT, "queue of runs, in TLS", (web, *workers)))
    if "web" in roles:
        found.append(layout.Port(443, "the web site", ()))
        found.append(layout.Port(80, "leads to 443", ()))
    found.extend(backup.ports(site, node))
    found.extend(monitoring.ports(site, node))
    return tuple(found)


def firewall(site: Site, node: str) -> None:
    """Default drop. A rule set that locks the operator out is taken back after ROLLBACK_SECONDS.

    The deploy logs in afresh after this step and only then cancels the roll-back .
    """
    rules = steps.render(
        "nftables.conf.j2",
        operators=site.site.operators,
        ssh_port=site.nodes[node].ssh_port,
        rules=ports(site, node),
    )
    steps.put("/etc/nftables.conf", rules, mode="755")
    kept = f"{steps.STAMPS}/nftables"
    steps.run(
        "load the firewall, to be rolled back unless a fresh login confirms it",
        f"install -d -m 700 {steps.STAMPS} && nft -c -f /etc/nftables.conf && "
        f"(echo flush ruleset; nft list ruleset) > {kept}.previous && "
        f"systemctl stop {layout.FIREWALL_ROLLBACK}.timer 2>/dev/null; "
        f"systemd-run --quiet --collect --unit={layout.FIREWALL_ROLLBACK} --on-active={ROLLBACK_SECONDS} "
        f"sh -c 'nft -f {kept}.previous && rm -f {kept}.sha256' && "
        f"nft -f /etc/nftables.conf && sha256sum /etc/nftables.conf > {kept}.sha256",
        unless=f"sha256sum /etc/nftables.conf | cmp -s - {kept}.sha256",
    )
    steps.run(
        "load the firewall at boot",
        "systemctl enable --quiet nftables",
        unless="systemctl is-enabled --quiet nftables",
    )
