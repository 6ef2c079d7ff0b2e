"""Runs: their queue in Redis on the first compute node, and the worker of every compute node that takes from it."""

import hashlib

from infra import layout, steps
from infra.nodes.application import RUNS_SECRET
from infra.nodes.services import Service
from infra.site import Site
from infra.vault import Vault

CONFIGURATION = "/etc/redis/falcon.conf"
DROP_IN = "/etc/systemd/system/redis-server.service.d"


def worker(*, keeps_data: bool) -> Service:
    """The service that executes runs; only where the data is kept does it take those that need it."""
    queues = "data,anywhere" if keeps_data else "anywhere"
    return Service(
        name="falcon-runs",
        description="Falcon: executes runs",
        command=f"{layout.VENV}/bin/falcon runs --queues {queues}",
        jit=True,
        roles=("falcon_app", "dagster"),
        runs_password=True,
        notify=True,
        watchdog_seconds=90,
        # Runs have a minute to end; what is left is killed, fails, and is run once more.
        stop_seconds=80,
        nice=10,
        slice=layout.WORK_SLICE,
        oom_score=500,
        survives_oom=True,
        falcon_command=True,
    )


def queue(site: Site, vault: Vault, node: str) -> None:
    """Redis, in TLS with certificates of the site's authority. It knows the password by its hash alone."""
    steps.packages(["redis-server"])
    steps.put(
        CONFIGURATION,
        steps.render(
            "redis.conf.j2",
            address=site.nodes[node].address,
            layout=layout,
            password_sha256=hashlib.sha256(vault.token(RUNS_SECRET).encode()).hexdigest(),
        ),
        mode="640",
        group="redis",
        secret=True,
    )
    steps.folder(DROP_IN)
    steps.put(
        f"{DROP_IN}/falcon.conf",
        steps.render(
            "redis.service.j2", configuration=CONFIGURATION, user=layout.USER, pause=layout.RESTART_PAUSE
        ),
    )
    steps.service("redis-server", [CONFIGURATION, f"{DROP_IN}/falcon.conf", f"{layout.TLS}/ca.crt"])
