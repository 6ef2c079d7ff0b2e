"""What watches the nodes: exporters for the operator's Prometheus, and the timers that heal and tell people."""

import shlex

from infra import layout, steps
from infra.nodes import compute as compute_node
from infra.nodes import web as web_node
from infra.site import Site

_NODE, _POSTGRES, _NGINX = (f"prometheus-{name}-exporter" for name in ("node", "postgres", "nginx"))
_HEAL = "falcon-heal.service"
_WORD = "/var/lib/falcon-watch/heal"
_HEALED = ("falcon-code-server.service",)
"""Restarted when no canary comes through; runs are not its children's end."""
_SERVICE_METRICS = {"falcon-metrics-trader": layout.TRADER_PORT, "falcon-metrics-feed": layout.FEED_PORT}


def ports(site: Site, node: str) -> tuple[layout.Port, ...]:
    """Where a node's numbers are: for operators, and how full its disks are for those who tell of it."""
    roles, who = site.kinds(node), site.site.operators
    watch = (site.address("web"), site.nodes[site.with_role("compute")[0]].address)
    found = [
        layout.Port(
            layout.NODE_METRICS_PORT,
            "metrics of the machine",
            (*who, *(address for address in watch if address != site.nodes[node].address)),
        )
    ]
    if "db" in roles:
        found.append(layout.Port(layout.POSTGRES_METRICS_PORT, "metrics of PostgreSQL", who))
    if "compute" in roles:
        found.append(layout.Port(layout.TRADER_PORT, "health and metrics of the trader", who))
        found.append(layout.Port(layout.FEED_PORT, "health and metrics of the feed", who))
    if "web" in roles:
        found.append(layout.Port(layout.NGINX_METRICS_PORT, "metrics of nginx", who))
        found.append(layout.Port(layout.DASHBOARD_METRICS_PORT, "metrics of the dashboard", who))
    return tuple(found)


def units(site: Site, node: str) -> tuple[str, ...]:
    """What watches on a node."""
    roles = site.kinds(node)
    found = [f"{_NODE}.service"]
    if "db" in roles:
        found.append(f"{_POSTGRES}.service")
    if "compute" in roles:
        found.extend(f"{name}.socket" for name in _SERVICE_METRICS)
        if node == site.with_role("compute")[0]:
            found.append("falcon-watchdog.timer")
    if "web" in roles:
        found.extend([f"{_NGINX}.service", "falcon-outages.timer"])
    return tuple(found)


def monitoring(site: Site, node: str) -> None:
    """A node's exporters and timers."""
    roles, address = site.kinds(node), site.nodes[node].address
    steps.packages([_NODE])
    _exporter(_NODE, f'ARGS="--web.listen-address={address}:{layout.NODE_METRICS_PORT}"\n')
    if "db" in roles:
        _postgres(address)
    if "compute" in roles:
        _services(address)
        if node == site.with_role("compute")[0]:
            _watchdog()
    if "web" in roles:
        _nginx(site, address)
        _outages(site)


def _postgres(address: str) -> None:
    steps.packages([_POSTGRES])
    steps.run(
        "role prometheus, which reads statistics",
        _as_postgres("CREATE ROLE prometheus LOGIN NOSUPERUSER IN ROLE pg_monitor"),
        unless=_as_postgres("SELECT 1/count(*) FROM pg_roles WHERE rolname = 'prometheus'"),
    )
    _exporter(
        _POSTGRES,
        "DATA_SOURCE_NAME='user=prometheus host=/run/postgresql dbname=postgres'\n"
        f'ARGS="--web.listen-address={address}:{layout.POSTGRES_METRICS_PORT}"\n',
    )


def _services(address: str) -> None:
    """The trader and the feed speak on loopback; systemd carries it to the node's address."""
    for name, port in _SERVICE_METRICS.items():
        steps.put(
            f"/etc/systemd/system/{name}.socket",
            f"# {steps.MANAGED}\n[Unit]\nDescription=Falcon: {name.removeprefix('falcon-')}\n\n"
            f"[Socket]\nListenStream={address}:{port}\nFreeBind=yes\n\n[Install]\nWantedBy=sockets.target\n",
        )
        steps.put(
            f"/etc/systemd/system/{name}.service",
            f"# {steps.MANAGED}\n[Unit]\nDescription=Falcon: {name.removeprefix('falcon-')}\nRequires={name}.socket\n\n"
            f"[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=60 127.0.0.1:{port}\n"
            "DynamicUser=yes\nMemoryDenyWriteExecute=yes\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n"
            + steps.render("hardening.conf.j2"),
        )
    steps.units_read()
    for name in _SERVICE_METRICS:
        steps.service(f"{name}.socket", [f"/etc/systemd/system/{name}.socket"])


def _watchdog() -> None:
    steps.put(
        f"/etc/systemd/system/{_HEAL}",
        f"# {steps.MANAGED}\n[Unit]\nDescription=Falcon: restarts what the watchdog found dead\n"
        # The watchdog's word for a restart (see falcon_pipelines.watching.watchdog): its other failures restart nothing.
        f"ConditionPathExists={_WORD}\n\n[Service]\nType=oneshot\nExecStart=/bin/rm -f {_WORD}\n"
        f"ExecStart=/usr/bin/systemctl restart {' '.join(_HEALED)}\n",
    )
    _watch(
        "falcon-watchdog",
        "does the canary come through?",
        "falcon_pipelines.watching.watchdog",
        compute_node.CODE_SERVER.credentials,
        on_failure=_HEAL,
        environment={"FALCON_BACKUP_WORDS": layout.BACKUP_WORDS},
    )


def _outages(site: Site) -> None:
    doors = f"compute={site.address('compute')}:{layout.CODE_SERVER_PORT}"
    _watch(
        "falcon-outages",
        "tells people when compute or the database is gone",
        "falcon_pipelines.watching.outages",
        web_node.DASHBOARD.credentials,
        environment={"FALCON_WATCH_DOORS": doors},
    )


def _watch(
    name: str,
    what: str,
    module: str,
    credentials: str,
    *,
    environment: dict[str, str],
    on_failure: str | None = None,
) -> None:
    steps.put(
        f"/etc/systemd/system/{name}.service",
        steps.render(
            "watch.service.j2",
            what=what,
            module=module,
            credentials=credentials,
            on_failure=on_failure,
            environment=environment,
            layout=layout,
            hardening=steps.render("hardening.conf.j2"),
        ),
    )
    steps.put(
        f"/etc/systemd/system/{name}.timer",
        steps.render("timer.j2", what=what, when="OnBootSec=60\nOnUnitInactiveSec=30", persistent=False),
    )
    steps.units_read()
    steps.service(f"{name}.timer", [f"/etc/systemd/system/{name}.timer"])


def _nginx(site: Site, address: str) -> None:
    steps.packages([_NGINX])
    path = "/etc/nginx/conf.d/falcon-monitoring.conf"
    steps.put(
        path,
        steps.render(
            "nginx-monitoring.conf.j2", layout=layout, address=address, operators=site.site.operators
        ),
    )
    # Beside the web site's own step, whose files are others.
    stamp = f"{steps.STAMPS}/nginx-monitoring.sha256"
    steps.run(
        "reload nginx with its monitoring",
        f"nginx -t -q && systemctl reload nginx && sha256sum {path} > {stamp}",
        unless=f"sha256sum {path} | cmp -s - {stamp}",
    )
    _exporter(
        _NGINX,
        f'ARGS="-nginx.scrape-uri=http://127.0.0.1:{layout.NGINX_STATUS_PORT}/stub_status '
        f'-web.listen-address={address}:{layout.NGINX_METRICS_PORT}"\n',
    )


def _exporter(name: str, defaults: str) -> None:
    steps.put(f"/etc/default/{name}", f"# {steps.MANAGED}\n{defaults}")
    folder = f"/etc/systemd/system/{name}.service.d"
    steps.folder(folder)
    steps.put(
        f"{folder}/falcon.conf",
        f"# {steps.MANAGED}\n[Unit]\nStartLimitIntervalSec=0\n\n[Service]\nRestart=always\nRestartSec=5\n"
        "NoNewPrivileges=yes\nProtectSystem=strict\nCapabilityBoundingSet=\nRestrictRealtime=yes\nUMask=0077\n",
    )
    steps.service(name, [f"/etc/default/{name}", f"{folder}/falcon.conf"])


def _as_postgres(statement: str) -> str:
    return f"cd / && sudo -u postgres psql -qX -v ON_ERROR_STOP=1 -c {shlex.quote(statement)}"
