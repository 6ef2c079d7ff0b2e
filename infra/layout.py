"""Where everything is on a node: paths, ports and units, each named once."""

from dataclasses import dataclass

OPT = "/opt/falcon"
WHEELS = f"{OPT}/wheels"
RELEASES = f"{OPT}/releases"
CURRENT = f"{OPT}/current"
VENV = f"{OPT}/venv"
ETC = "/etc/falcon"
TLS = f"{ETC}/tls"
VAR = "/var/lib/falcon"
CACHE = "/var/cache/falcon"
LOG = "/var/log/falcon"
DAGSTER_HOME = f"{VAR}/dagster"
MARKET_DATA = f"{VAR}/market_data"
USER = "falcon"
BACKUPS = "/var/lib/pgbackrest"
BACKUP_TLS = "/etc/pgbackrest-tls"
PROGRAMS = "/usr/local/lib/falcon"
# Debian 12's; the data folder of a cluster is named for it, on the node of the backups too.
POSTGRES_VERSION = "15"
POSTGRES_DATA = f"/var/lib/postgresql/{POSTGRES_VERSION}/main"

POSTGRES_PORT = 5432
CODE_SERVER_PORT = 4265
DAGSTER_UI_PORT = 3000
BACKUP_PORT = 8432
CODE_SERVER_SOCKET = "/run/falcon-code-server/code-server.sock"
TUNNEL_SOCKET = "/run/falcon-tunnel/code-server.sock"
DASHBOARD_SOCKET = "/run/falcon-dashboard/dashboard.sock"


@dataclass(frozen=True)
class Port:
    """A listening port of a node, who may reach it, and what it is for."""

    port: int
    what: str
    sources: tuple[str, ...]
    """Addresses; empty: everybody."""


# Units of Falcon's own by role, in the order in which they are started.
UNITS = {
    "db": (),
    "compute": ("falcon-code-server.service", "falcon-tunnel.service"),
    "web": (
        "falcon-tunnel.service",
        "falcon-dashboard.socket",
        "falcon-dashboard.service",
        "falcon-dagster-web.service",
        "falcon-dagster-daemon.service",
    ),
}
# Units of others that a role needs.
FOREIGN_UNITS = {"db": ("postgresql.service",), "compute": (), "web": ("nginx.service",)}
