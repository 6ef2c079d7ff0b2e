"""Backups on the nodes: pgBackRest on the database's and on the first compute node, which keeps them, and their timers."""

from pathlib import Path

from infra import layout, steps
from infra.site import Site
from infra.vault import Vault

KEEP_FULL = 4
"""Full backups kept, one a week; the write-ahead log back to the oldest of them leads to any moment since."""
KEEP_DIFFERENTIAL = 14
QUEUE_GB = 8
SERVER = "pgbackrest.service"
CIPHER = "/etc/pgbackrest/conf.d/cipher.conf"
BACKUPS_SECRET = "backups"  # noqa: S105 - its name
"""The vault's name for the passphrase of the backups."""
PROGRAMS = Path(__file__).parents[1] / "programs"
_OWNER = {"user": "postgres", "group": "postgres"}

# name: what it does, what it runs, when
_ON_REPOSITORY = {
    "falcon-backup-full": ("full backup", "backup full", "Sun *-*-* 03:30:00"),
    "falcon-backup-diff": ("differential backup", "backup diff", "Mon..Sat *-*-* 03:30:00"),
    "falcon-backup-check": ("is the write-ahead log archived?", "check", "*-*-* *:20:00"),
}
_ON_DATABASE = {
    "falcon-restore-drill": ("are the backups good for a restore?", "", "Sun *-*-* 05:30:00"),
}


def keeper(site: Site) -> str:
    """The node that keeps the backups."""
    return site.with_role("compute")[0]


def timers(site: Site, node: str) -> tuple[str, ...]:
    """The timers of a node, as units."""
    names = [*(_ON_REPOSITORY if node == keeper(site) else ()), *(_ON_DATABASE if _is_db(site, node) else ())]
    return tuple(f"{name}.timer" for name in names)


def units(site: Site, node: str) -> tuple[str, ...]:
    """What runs on a node for the backups."""
    if not (_is_db(site, node) or node == keeper(site)):
        return ()
    return (*(() if _alone(site) else (SERVER,)), *timers(site, node))


def ports(site: Site, node: str) -> tuple[layout.Port, ...]:
    """Who may reach pgBackRest's server: the other end of it."""
    if _alone(site):
        return ()
    if _is_db(site, node):
        return (
            layout.Port(layout.BACKUP_PORT, "pgBackRest, for backups", (site.nodes[keeper(site)].address,)),
        )
    if node == keeper(site):
        return (
            layout.Port(layout.BACKUP_PORT, "pgBackRest, for the write-ahead log", (site.address("db"),)),
        )
    return ()


def configuration(site: Site, node: str) -> str:
    """pgbackrest.conf of one end."""
    db, repository = site.with_role("db")[0], keeper(site)
    return steps.render(
        "pgbackrest.conf.j2",
        layout=layout,
        repository=node == repository,
        db=node == db,
        peer=None if _alone(site) else repository if node == db else db,
        address=site.nodes[node].address,
        repository_name=repository,
        repository_address=site.nodes[repository].address,
        db_name=db,
        db_address=site.nodes[db].address,
        keep_full=KEEP_FULL,
        keep_diff=KEEP_DIFFERENTIAL,
        queue_gb=QUEUE_GB,
    )


def backup(site: Site, vault: Vault, node: str) -> None:
    """A node's end of the backups; nothing on nodes that have none."""
    if not units(site, node):
        return
    steps.packages(["pgbackrest"])
    steps.put("/etc/pgbackrest.conf", configuration(site, node), mode="640", group="postgres")
    steps.folder(layout.BACKUP_TLS, mode="750", group="postgres")
    certificate = vault.certificate(node, "backup")
    steps.put(f"{layout.BACKUP_TLS}/ca.crt", vault.authority.pem)
    steps.put(f"{layout.BACKUP_TLS}/node.crt", certificate.pem)
    steps.put(f"{layout.BACKUP_TLS}/node.key", certificate.key, mode="600", secret=True, **_OWNER)
    jobs: dict[str, tuple[str, str, str]] = {}
    if node == keeper(site):
        _passphrase(vault)
        steps.folder(layout.BACKUPS, mode="750", **_OWNER)
        jobs |= _ON_REPOSITORY
        _program("falcon-backup", "backup.py")
    if _is_db(site, node):
        jobs |= _ON_DATABASE
        _program("falcon-restore-drill", "restore_drill.py")
    for name, (what, arguments, when) in jobs.items():
        program = "falcon-restore-drill" if name == "falcon-restore-drill" else "falcon-backup"
        steps.put(
            f"/etc/systemd/system/{name}.service",
            steps.render(
                "backup-job.service.j2", what=what, command=f"{layout.PROGRAMS}/{program} {arguments}".strip()
            ),
        )
        steps.put(
            f"/etc/systemd/system/{name}.timer",
            steps.render(
                "timer.j2", what=what, when=f"OnCalendar={when} {site.site.timezone}", persistent=True
            ),
        )
    folder = f"/etc/systemd/system/{SERVER}.d"
    if not _alone(site):
        steps.folder(folder)
        steps.put(f"{folder}/falcon.conf", steps.render("pgbackrest-server.conf.j2"))
        steps.service(
            SERVER.removesuffix(".service"),
            [
                "/etc/pgbackrest.conf",
                f"{folder}/falcon.conf",
                *(f"{layout.BACKUP_TLS}/{name}" for name in ("ca.crt", "node.crt", "node.key")),
            ],
        )
    steps.units_read()
    for timer in timers(site, node):
        steps.service(timer, [f"/etc/systemd/system/{timer}"])


def _passphrase(vault: Vault) -> None:
    """What the repository is encrypted with, here alone: the database's end is told for each command.

    Written once. Another one, as a new folder of secrets has, would make every backup unreadable, and so would the first
    one on a repository that was made without.
    """
    info = f"{layout.BACKUPS}/backup/falcon/backup.info"
    steps.folder("/etc/pgbackrest")
    steps.folder(CIPHER.rpartition("/")[0], mode="750", group="postgres")
    steps.run(
        "passphrase of the backups",
        f"umask 077 && cat > {CIPHER}.new && chgrp postgres {CIPHER}.new && chmod 640 {CIPHER}.new && "
        f"mv {CIPHER}.new {CIPHER}",
        stdin=f"[global]\nrepo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass={vault.token(BACKUPS_SECRET)}\n",
        unless=f"test -s {CIPHER} || test -e {info}",
    )


def _program(name: str, file: str) -> None:
    steps.put(f"{layout.PROGRAMS}/{name}", (PROGRAMS / file).read_text(), mode="755")


def _is_db(site: Site, node: str) -> bool:
    return "db" in site.nodes[node].roles


def _alone(site: Site) -> bool:
    """Whether one machine has both ends, so that nothing goes over the network."""
    return keeper(site) == site.with_role("db")[0]
