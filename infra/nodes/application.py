"""What compute and web share: settings, secrets, and the services that run Falcon's code."""

from infra import layout, steps
from infra.nodes.services import Service, database_url, unit
from infra.site import Site
from infra.vault import Vault


def settings(site: Site, vault: Vault, role: str) -> None:
    """falcon.env for everybody, secrets.env and pgpass for root alone."""
    db = site.address("db")
    application_role = "falcon_app" if role == "compute" else "falcon_web"
    lines = {
        "FALCON_HOME": layout.VAR,
        "FALCON_DATA_DIR": layout.MARKET_DATA,
        "FALCON_DATABASE_URL": database_url(application_role, "falcon", db),
        "FALCON_DAGSTER_DATABASE_URL": database_url("dagster", "dagster", db),
        "DAGSTER_HOME": layout.DAGSTER_HOME,
        "NUMBA_CACHE_DIR": f"{layout.CACHE}/numba",
        "DO_NOT_TRACK": "1",
        "YTDLP_NO_PLUGINS": "1",
    }
    text = "".join(f"{name}={value}\n" for name, value in lines.items())
    pgpass = "".join(
        f"{db}:{layout.POSTGRES_PORT}:{database}:{name}:{vault.password(name).plain}\n"
        for name, database in ((application_role, "falcon"), ("dagster", "dagster"))
    )
    steps.put(f"{layout.ETC}/falcon.env", text)
    steps.put(f"{layout.ETC}/pgpass", pgpass, mode="600", secret=True)
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
