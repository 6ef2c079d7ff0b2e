"""What compute and web share: settings, secrets, and the services that run Falcon's code."""

from infra import layout, steps
from infra.nodes.services import Service, database_url, unit
from infra.site import Site
from infra.vault import Vault

RUNS_SECRET = "runs"  # noqa: S105 - its name
"""The vault's name for the password of the queue of runs."""
DATABASES = {"dagster": "dagster", "falcon_app": "falcon", "falcon_web": "falcon"}


def settings(site: Site, role: str) -> None:
    """falcon.env, which holds no secret."""
    db = site.address("db")
    application_role = "falcon_app" if role == "compute" else "falcon_web"
    lines = {
        "FALCON_HOME": layout.VAR,
        "FALCON_DATA_DIR": layout.MARKET_DATA,
        "FALCON_DATABASE_URL": database_url(application_role, "falcon", db),
        "FALCON_DAGSTER_DATABASE_URL": database_url("dagster", "dagster", db),
        "FALCON_DAGSTER_URL": "/dagster",
        "FALCON_RUNS_BROKER": f"rediss://falcon@{site.address('compute')}:{layout.RUNS_PORT}/0",
        "FALCON_RUNS_TLS_DIR": layout.TLS,
        "FALCON_FEED_PORT": str(layout.FEED_PORT),
        "FALCON_TRADER_PORT": str(layout.TRADER_PORT),
        "FALCON_CANARY": "on",
        "FALCON_WATCH_NODES": " ".join(
            f"{name}={node.address}:{layout.NODE_METRICS_PORT}" for name, node in site.nodes.items()
        ),
        "DAGSTER_HOME": layout.DAGSTER_HOME,
        "DO_NOT_TRACK": "1",
        "YTDLP_NO_PLUGINS": "1",
    }
    steps.put(f"{layout.ETC}/falcon.env", "".join(f"{name}={value}\n" for name, value in lines.items()))


def secrets(site: Site, vault: Vault, role: str, services: list[Service]) -> None:
    """secrets.env, and for each service the passwords of its own database roles; root's alone."""
    db = site.address("db")
    steps.folder(layout.CREDENTIALS, mode="700")
    for service in services:
        if service.roles:
            lines = (
                f"{db}:{layout.POSTGRES_PORT}:{DATABASES[name]}:{name}:{vault.password(name).plain}\n"
                for name in service.roles
            )
            steps.put(service.credentials, "".join(lines), mode="600", secret=True)
    if any(service.runs_password for service in services):
        steps.put(layout.RUNS_PASSWORD, vault.token(RUNS_SECRET), mode="600", secret=True)
    steps.put(f"{layout.ETC}/secrets.env", vault.secrets_env(role), mode="600", secret=True)


def folders() -> None:
    """Folders of the services below /var, their own."""
    mine = {"mode": "750", "user": layout.USER, "group": layout.USER}
    for path in (layout.DAGSTER_HOME, f"{layout.CACHE}/numba"):
        steps.folder(path, **mine)


def install_units(services: list[Service]) -> None:
    """Write the unit files; the services are started when a release is there."""
    for service in services:
        steps.put(f"/etc/systemd/system/{service.name}.service", unit(service))
    steps.units_read()


def restart_changed(services: list[Service]) -> None:
    """Restart what was started before its files were written; what never ran is left to the release."""
    for service in services:
        if service.once:
            continue
        name = f"{service.name}.service"
        steps.run(
            f"restart {service.name} with its new settings",
            # A second later than the files, whose time is compared in seconds.
            f"sleep 1; systemctl restart {name}",
            unless=(
                f'since=$(systemctl show -P StateChangeTimestamp {name}); [ -z "$since" ] || '
                f'{{ since=$(date -d "$since" +%s); for f in {" ".join(service.read_at_start)}; do '
                '[ ! -e $f ] || [ "$(stat -c %Y $f)" -lt "$since" ] || exit 1; done; }'
            ),
        )
