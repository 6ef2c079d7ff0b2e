"""Compute nodes: the first has the bars, the code server, what trades and the queue of runs; every one takes runs."""

from infra import layout, steps
from infra.nodes import application, runs
from infra.nodes.services import Service
from infra.site import Site
from infra.vault import Vault

SWEEP = Service(
    name="falcon-sweep",
    description="Falcon: ends the runs that the last boot left behind, removes their temporary files",
    command=f"{layout.VENV}/bin/python -m falcon_pipelines.local.boot_sweep /run/falcon-sweep",
    roles=("falcon_app", "dagster"),
    runtime_folder="falcon-sweep",
    keep_runtime_folder=True,
    once=True,
    # Ready when it has kept the moment, before which runs are the last boot's; ended when those are.
    notify=True,
)
CODE_SERVER = Service(
    name="falcon-code-server",
    description="Falcon: Dagster code server, on a private socket",
    command=(
        f"{layout.VENV}/bin/python -m dagster api grpc --socket {layout.CODE_SERVER_SOCKET} "
        "--module-name falcon_pipelines.definitions --location-name falcon_pipelines "
        "--use-python-environment-entry-point"
    ),
    after=("network-online.target", "falcon-sweep.service"),
    jit=True,
    runtime_folder="falcon-code-server",
    roles=("falcon_app", "dagster"),
    # Runs are its children and outlive a restart of it; `mixed` would kill them.
    kill_mode="process",
    # Dagster's own default waits 180 s for calls under way; a tick that is cut is evaluated again.
    environment={"DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": "15"},
    stop_seconds=30,
    nice=5,
    slice=layout.WORK_SLICE,
    oom_score=500,
)
TRADER = Service(
    name="falcon-trader",
    description="Falcon: the paper trader",
    command=f"{layout.VENV}/bin/falcon trader",
    jit=True,
    roles=("falcon_app",),
    notify=True,
    watchdog_seconds=60,
    # One turn of its loop, and the heartbeat that says it stops.
    stop_seconds=45,
    nice=-5,
    slice=layout.LIVE_SLICE,
    oom_score=-500,
    falcon_command=True,
)
FEED = Service(
    name="falcon-feed",
    description="Falcon: live minute bars",
    command=f"{layout.VENV}/bin/falcon feed",
    jit=True,
    roles=("falcon_app",),
    notify=True,
    watchdog_seconds=60,
    # Bars that are still in memory are written first.
    stop_seconds=60,
    nice=-5,
    slice=layout.LIVE_SLICE,
    oom_score=-400,
    unless_off="FALCON_FEED",
    falcon_command=True,
)


def tunnel(client: bool) -> Service:
    """stunnel, as the server on compute or as the client on web."""
    return Service(
        name="falcon-tunnel",
        description=f"Falcon: {'way to' if client else 'door of'} the code server, in TLS",
        command=f"/usr/bin/stunnel4 {layout.ETC}/tunnel.conf",
        runtime_folder="falcon-tunnel" if client else None,
        writes=(),
        files=(f"{layout.ETC}/tunnel.conf",),
    )


def services(site: Site, node: str) -> list[Service]:
    """What a compute node runs, in the order in which it is started."""
    if "worker" in site.kinds(node):
        return [runs.worker(keeps_data=False)]
    return [SWEEP, CODE_SERVER, tunnel(client=False), TRADER, FEED, runs.worker(keeps_data=True)]


def compute(site: Site, vault: Vault, node: str) -> None:
    """Everything of a compute node but the release itself."""
    mine = services(site, node)
    application.folders()
    steps.folder(layout.MARKET_DATA, mode="750", user=layout.USER, group=layout.USER)
    application.settings(site, "compute")
    application.secrets(site, vault, "compute", mine)
    for name, shares in layout.SLICES.items():
        steps.put(f"/etc/systemd/system/{name}", f"# {steps.MANAGED}\n[Slice]\n{shares}")
    if "compute" in site.kinds(node):
        steps.packages(["stunnel4"])
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
        runs.queue(site, vault, node)
        steps.put(
            "/usr/local/bin/falcon",
            steps.render("falcon-command.sh.j2", layout=layout, credentials=CODE_SERVER.credentials),
            mode="755",
        )
    application.install_units(mine)
    application.restart_changed(mine)
