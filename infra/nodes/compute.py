"""A compute node: the bars, Dagster's code server behind the tunnel, and the services that trade."""

from infra import layout, steps
from infra.nodes import application
from infra.nodes.services import Service
from infra.site import Site
from infra.vault import Vault

CODE_SERVER = Service(
    name="falcon-code-server",
    description="Falcon: Dagster code server, on a private socket",
    command=(
        f"{layout.VENV}/bin/python -m dagster api grpc --socket {layout.CODE_SERVER_SOCKET} "
        "--module-name falcon_pipelines.definitions --location-name falcon_pipelines "
        "--use-python-environment-entry-point"
    ),
    jit=True,
    runtime_folder="falcon-code-server",
    roles=("falcon_app", "dagster"),
    # Runs are its children and outlive a restart of it; `mixed` would kill them.
    kill_mode="process",
    stop_seconds=300,
    nice=5,
)


def tunnel(client: bool) -> Service:
    """stunnel, as the server on compute or as the client on web."""
    return Service(
        name="falcon-tunnel",
        description=f"Falcon: {'way to' if client else 'door of'} the code server, in TLS",
        command=f"/usr/bin/stunnel4 {layout.ETC}/tunnel.conf",
        runtime_folder="falcon-tunnel" if client else None,
        writes=(),
    )


def compute(site: Site, vault: Vault, node: str) -> None:
    """Everything of a compute node but the release itself."""
    steps.packages(["stunnel4"])
    application.folders()
    steps.folder(layout.MARKET_DATA, mode="750", user=layout.USER, group=layout.USER)
    application.settings(site, vault, "compute")
    steps.put(
        f"{layout.ETC}/tunnel.conf",
        steps.render(
            "tunnel.conf.j2",
            client=False,
            accept=f"{site.nodes[node].address}:{layout.CODE_SERVER_PORT}",
            connect=layout.CODE_SERVER_SOCKET,
            peer_name=f"falcon-{site.with_role('web')[0]}",
        ),
    )
    application.install_units([CODE_SERVER, tunnel(client=False)])
