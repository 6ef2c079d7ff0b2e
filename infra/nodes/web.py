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
    environment={"FALCON_BEHIND_HTTPS": "1"},
)
DAGSTER_WEB = Service(
    name="falcon-dagster-web",
    description="Falcon: Dagster web server, behind the dashboard's login",
    command=(
        f"{layout.VENV}/bin/dagster-webserver --host 127.0.0.1 --port {layout.DAGSTER_UI_PORT} "
        f"--path-prefix /dagster --workspace {WORKSPACE}"
    ),
    roles=("dagster",),
)
DAEMON = Service(
    name="falcon-dagster-daemon",
    description="Falcon: Dagster daemon: schedules, sensors, the queue of runs",
    command=f"{layout.VENV}/bin/dagster-daemon run --workspace {WORKSPACE}",
    roles=("dagster",),
    stop_seconds=60,
)
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
    application.settings(site, vault, "web")
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
    application.install_units([tunnel(client=True), DASHBOARD, DAGSTER_WEB, DAEMON])
    steps.absent("/etc/nginx/sites-enabled/default")
    steps.folder("/etc/systemd/system/nginx.service.d")
    steps.put(
        "/etc/systemd/system/nginx.service.d/falcon.conf",
        # Debian's unit stays down after a crash.
        "[Unit]\nStartLimitIntervalSec=0\n\n[Service]\nRestart=on-failure\nRestartSec=2\n",
    )
    steps.put("/etc/nginx/falcon-headers.conf", steps.render("nginx-headers.conf.j2"))
    steps.put(
        "/etc/nginx/conf.d/falcon.conf",
        steps.render("nginx.conf.j2", name=site.site.name, address=site.nodes[node].address),
    )
    steps.service(
        "nginx",
        ["/etc/nginx/falcon-headers.conf", "/etc/nginx/conf.d/falcon.conf", f"{layout.TLS}/node.crt"],
        reload=True,
        check="nginx -t -q",
    )
