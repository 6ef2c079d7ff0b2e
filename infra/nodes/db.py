"""The database node: PostgreSQL with its roles, reachable by the other nodes over TLS only."""

import hashlib
import shlex

from pyinfra.context import host
from pyinfra.facts.server import Command

from infra import layout, steps
from infra.site import Site
from infra.vault import Vault

ROLES = ("dagster", "falcon_owner", "falcon_app", "falcon_web")


def database(site: Site, vault: Vault, node: str) -> None:
    """PostgreSQL as Debian ships it, with Falcon's settings, roles and two databases."""
    steps.packages(["postgresql"])
    version = _version()
    etc = f"/etc/postgresql/{version}/main"
    memory_mb = int(host.get_fact(Command, command="awk '/MemTotal/ {print int($2/1024)}' /proc/meminfo"))
    # The machine is PostgreSQL's alone; beyond 8 GB the defaults here would want a second look.
    memory_mb = min(memory_mb, 8192)
    steps.put(
        f"{etc}/conf.d/falcon.conf",
        steps.render(
            "postgresql.conf.j2",
            address=site.nodes[node].address,
            tls=layout.TLS,
            shared_buffers_mb=memory_mb // 4,
            cache_mb=memory_mb // 2,
        ),
    )
    # PostgreSQL reads the node's own certificate, whose key is root's and the group's.
    steps.run(
        "postgres may read the certificate",
        "usermod -aG falcon postgres",
        unless="id -nG postgres | grep -qw falcon",
    )
    _access_rules(site, etc)
    unit = _unit(version)
    steps.folder(f"/etc/systemd/system/{unit}.service.d")
    steps.put(
        f"/etc/systemd/system/{unit}.service.d/falcon.conf",
        # Debian's unit gives up for good after a crash or a full disk.
        "[Unit]\nStartLimitIntervalSec=0\n\n[Service]\nRestart=on-failure\nRestartSec=5\n"
        f"ExecStartPre=+{layout.RESTART_PAUSE} %n\nOOMScoreAdjust=-900\n",
    )
    steps.service(unit, [f"{etc}/conf.d/falcon.conf"])
    steps.enabled("postgresql")
    _read_again(version, etc)
    for role in ROLES:
        _role(role, vault)
    for name, owner in (("dagster", "dagster"), ("falcon", "falcon_owner")):
        steps.run(
            f"database {name}",
            f"cd / && sudo -u postgres createdb --owner={owner} --template=template0 --encoding=UTF8 "
            f"--locale=C.UTF-8 {name} && {_psql(f'REVOKE ALL ON DATABASE {name} FROM PUBLIC')}",
            unless=_says("1", f"SELECT 1 FROM pg_database WHERE datname = '{name}'"),  # noqa: S608 - names of this file
        )
    for role in ("falcon_app", "falcon_web"):
        steps.run(
            f"{role} may connect to falcon",
            _psql(f"GRANT CONNECT ON DATABASE falcon TO {role}"),
            unless=_says("t", f"SELECT has_database_privilege('{role}', 'falcon', 'CONNECT')"),
        )


def access(site: Site) -> None:
    """Who may connect, as the site file says now: all that another new node changes here."""
    version = _version()
    etc = f"/etc/postgresql/{version}/main"
    _access_rules(site, etc)
    _read_again(version, etc)


def _version() -> str:
    found = host.get_fact(Command, command="ls /etc/postgresql 2>/dev/null | sort -n | tail -1")
    return (found or "15").strip()


def _unit(version: str) -> str:
    return f"postgresql@{version}-main"


def _access_rules(site: Site, etc: str) -> None:
    steps.put(
        f"{etc}/pg_hba.conf",
        steps.render("pg_hba.conf.j2", computes=site.addresses("compute"), web=site.address("web")),
        mode="640",
        user="postgres",
        group="postgres",
    )


def _read_again(version: str, etc: str) -> None:
    """The authority and access rules are read again without ending a connection; for its own certificate, who renews it
    sees to that."""
    read = f"{etc}/pg_hba.conf {layout.TLS}/ca.crt"
    stamp = f"{steps.STAMPS}/{_unit(version)}-reload.sha256"
    steps.run(
        "read authority and access rules again",
        f"systemctl reload {_unit(version)} && sha256sum {read} > {stamp}",
        unless=f"sha256sum {read} | cmp -s - {stamp}",
    )


def _role(role: str, vault: Vault) -> None:
    steps.run(
        f"role {role}",
        _psql(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"),
        unless=_says("1", f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"),  # noqa: S608 - names of this file
    )
    password(role, vault)


def password(role: str, vault: Vault) -> None:
    """A role's password as the vault has it."""
    verifier = vault.password(role).verifier
    # The verifier is compared by its hash and sent on stdin, so that no process list ever holds it.
    fingerprint = hashlib.sha256(verifier.encode()).hexdigest()
    held = f"SELECT encode(sha256(rolpassword::bytea), 'hex') FROM pg_authid WHERE rolname = '{role}'"  # noqa: S608
    steps.run(
        f"password of {role}",
        "cd / && sudo -u postgres psql -qX -v ON_ERROR_STOP=1",
        stdin=f"SET log_statement = 'none';\nALTER ROLE {role} PASSWORD '{verifier}';\n",
        unless=_says(fingerprint, held),
    )


def _psql(statement: str) -> str:
    """Shell: run a statement of this module's own as PostgreSQL's administrator, over the local socket."""
    return f"cd / && sudo -u postgres psql -qX -v ON_ERROR_STOP=1 -c {shlex.quote(statement)}"


def _says(answer: str, query: str) -> str:
    """Shell: succeeds when the query's one value is this."""
    return f"cd / && sudo -u postgres psql -XAtc {shlex.quote(query)} | grep -qx {shlex.quote(answer)}"
