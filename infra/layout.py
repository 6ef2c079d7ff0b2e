"""Where everything is on a node: paths, ports and units, each named once."""

from dataclasses import dataclass

OPT = "/opt/falcon"
WHEELS = f"{OPT}/wheels"
RELEASES = f"{OPT}/releases"
CURRENT = f"{OPT}/current"
VENV = f"{OPT}/venv"
ETC = "/etc/falcon"
TLS = f"{ETC}/tls"
CREDENTIALS = f"{ETC}/credentials"
AUTHORITY = f"{ETC}/authority"
CERTIFICATE_PROGRAM = "/usr/local/sbin/falcon-certificate"
RUNS_PASSWORD = f"{CREDENTIALS}/runs.password"
VAR = "/var/lib/falcon"
CACHE = "/var/cache/falcon"
LOG = "/var/log/falcon"
DAGSTER_HOME = f"{VAR}/dagster"
MARKET_DATA = f"{VAR}/market_data"
USER = "falcon"
BACKUPS = "/var/lib/pgbackrest"
OUTAGES = "/var/lib/falcon-watch/outages.json"
BACKUP_WORDS = "/var/lib/falcon-backup"
BACKUP_TLS = "/etc/pgbackrest-tls"
PROGRAMS = "/usr/local/lib/falcon"
RESTART_PAUSE = f"{PROGRAMS}/restart-pause"
# Debian 12's; the data folder of a cluster is named for it, on the node of the backups too.
POSTGRES_VERSION = "15"
POSTGRES_DATA = f"/var/lib/postgresql/{POSTGRES_VERSION}/main"

FIREWALL_ROLLBACK = "falcon-firewall-rollback"
POSTGRES_PORT = 5432
CODE_SERVER_PORT = 4265
RUNS_PORT = 6379
DAGSTER_UI_PORT = 3000
BACKUP_PORT = 8432
NODE_METRICS_PORT = 9100
POSTGRES_METRICS_PORT = 9187
NGINX_METRICS_PORT = 9113
NGINX_STATUS_PORT = 8081
DASHBOARD_METRICS_PORT = 9180
DAGSTER_VIEW_PORT = 3001
FEED_PORT = 9471
TRADER_PORT = 8010
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


# Units of Falcon's own by what a node is for (see Site.kinds), in the order in which they are started.
UNITS = {
    "db": (),
    "compute": (
        "falcon-sweep.service",
        "falcon-code-server.service",
        "falcon-tunnel.service",
        "falcon-trader.service",
        "falcon-feed.service",
        "falcon-runs.service",
    ),
    "worker": ("falcon-runs.service",),
    "web": (
        "falcon-tunnel.service",
        "falcon-dashboard.socket",
        "falcon-dashboard.service",
        "falcon-dagster-web.service",
        "falcon-dagster-view.service",
        "falcon-dagster-daemon.service",
    ),
}
# Started when they are not running, and never restarted: what waits in a socket would be lost, and the sweep
# is for what an earlier boot left behind.
ONLY_STARTED = ("falcon-dashboard.socket", "falcon-sweep.service")
# Units of others that it needs.
FOREIGN_UNITS = {
    "db": ("postgresql.service",),
    "compute": ("redis-server.service",),
    "worker": (),
    "web": ("nginx.service",),
}

# Shares of a node, so that a backtest never starves the trader.
LIVE_SLICE = "falcon-live.slice"
WORK_SLICE = "falcon-work.slice"
SLICES = {
    LIVE_SLICE: "CPUWeight=1000\nIOWeight=1000\nMemoryLow=20%\n",
    WORK_SLICE: "CPUWeight=50\nIOWeight=50\nMemoryHigh=60%\nMemoryMax=75%\n",
}
