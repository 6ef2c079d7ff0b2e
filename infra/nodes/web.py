"""The web node: nginx, the dashboard, Dagster's web server and its one daemon. It keeps nothing."""

from infra import layout, steps
from infra.nodes import application
from infra.nodes.compute import tunnel
from infra.nodes.services import Service
from infra.site import Site
from infra.vault import Vault

WORKSPACE = f"{layout.ETC}/workspace.yaml"
DASHBOARD = Service(
    name="falcon-dashboard",
    description="Falcon: dashboard",
    command=f"{layout.VENV}/bin/python -m falcon_pipelines.dashboard.server",
    after=("network-online.target", "falcon-dashboard.socket"),
    roles=("falcon_web",),
    writes=(),
    stop_seconds=15,
    # nginx is what reaches its socket; monitors are told apart by the address it hands on.
    environment={"FALCON_TRUSTED_PROXIES": "127.0.0.1", "FALCON_OUTAGES_FILE": layout.OUTAGES},
)


def _dagster_web(name: str, port: int, what: str, option: str) -> Service:
    return Service(
        name=name,
        description=f"Falcon: Dagster web server {what}",
        command=(
            f"{layout.VENV}/bin/dagster-webserver --host 127.0.0.1 --port {port} "
            f"--path-prefix /dagster --workspace {WORKSPACE}{option}"
        ),
        roles=("dagster",),
        secrets=False,
        # It cancels runs; viewers cannot.
        runs_password=name == "falcon-dagster-web",
        files=(WORKSPACE,),
        # Open pages hold websockets, which are not waited for.
        stop_seconds=10,
    )


DAGSTER_WEB = _dagster_web("falcon-dagster-web", layout.DAGSTER_UI_PORT, "for operators", "")
DAGSTER_VIEW = _dagster_web(
    "falcon-dagster-view", layout.DAGSTER_VIEW_PORT, "for viewers, read-only", " --read-only"
)
DAEMON = Service(
    name="falcon-dagster-daemon",
    description="Falcon: Dagster daemon: schedules, sensors, the queue of runs",
    command=f"{layout.VENV}/bin/dagster-daemon run --workspace {WORKSPACE}",
    roles=("dagster",),
    secrets=False,
    runs_password=True,
    files=(WORKSPACE,),
    stop_seconds=60,
)
SERVICES = [tunnel(client=True), DASHBOARD, DAGSTER_WEB, DAGSTER_VIEW, DAEMON]
SOCKET = f"""# {steps.MANAGED}
# systemd holds the socket: requests wait during a restart of the dashboard instead of failing.
[Unit]
Description=Falcon: the dashboard's socket

[Socket]
ListenStream={layout.DASHBOARD_SOCKET}
SocketUser={layout.USER}
SocketGroup=www-data
SocketMode=0660
DirectoryMode=0755

[Install]
WantedBy=sockets.target
"""


def web(site: Site, vault: Vault, node: str) -> None:
    """Everything of the web node but the release itself."""
    steps.packages(["nginx-light", "stunnel4"])
    application.folders()
    application.settings(site, "web")
    application.secrets(site, vault, "web", SERVICES)
    steps.put(
        f"{layout.ETC}/tunnel.conf",
        steps.render(
            "tunnel.conf.j2",
            client=True,
            accept=layout.TUNNEL_SOCKET,
            connect=f"{site.address('compute')}:{layout.CODE_SERVER_PORT}",
            peer_address=site.address("compute"),
        ),
    )
    steps.put(
        WORKSPACE,
        "load_from:\n  - grpc_server:\n"
        f"      socket: {layout.TUNNEL_SOCKET}\n      location_name: falcon_pipelines\n",
    )
    steps.put("/etc/systemd/system/falcon-dashboard.socket", SOCKET)
    application.install_units(SERVICES)
    application.restart_changed(SERVICES)
    steps.absent("/etc/nginx/sites-enabled/default")
    steps.folder("/etc/systemd/system/nginx.service.d")
    steps.put(
        "/etc/systemd/system/nginx.service.d/falcon.conf",
        # Debian's unit stays down after a crash.
        "[Unit]\nStartLimitIntervalSec=0\n\n[Service]\nRestart=on-failure\nRestartSec=2\n"
        f"ExecStartPre=+{layout.RESTART_PAUSE} %n\n",
    )
    written = {
        "/etc/nginx/falcon-tls.conf": "nginx-tls.conf.j2",
        "/etc/nginx/falcon-headers.conf": "nginx-headers.conf.j2",
        "/etc/nginx/falcon-proxy.conf": "nginx-proxy.conf.j2",
        "/etc/nginx/falcon-dagster.conf": "nginx-dagster.conf.j2",
        "/etc/nginx/conf.d/falcon.conf": "nginx.conf.j2",
    }
    for path, template in written.items():
        steps.put(
            path,
            steps.render(template, name=site.site.name, address=site.nodes[node].address, layout=layout),
        )
    valid = "nginx -t -q 2>/dev/null || { nginx -t -q 2>&1 | grep emerg >&2; false; }"
    steps.service("nginx", list(written), reload=True, check=valid)
