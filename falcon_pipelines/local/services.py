"""Which processes make up Falcon on one machine."""

import sys
from pathlib import Path

from falcon_pipelines.local.stack import Stack, configuration_file
from falcon_pipelines.local.supervisor import Service, require_free_port
from falcon_pipelines.settings import Settings


def dashboard_url(settings: Settings) -> str:
    """Address of the dashboard."""
    return f"http://{settings.host}:{settings.dashboard_port}"


def dagster_url(settings: Settings) -> str:
    """Address of the Dagster UI."""
    return f"http://{settings.host}:{settings.dagster_port}"


def require_free_ports(settings: Settings) -> None:
    """Raises PortTaken for the first of the services' ports that another program has."""
    require_free_port(settings.host, settings.dashboard_port, "the dashboard", "FALCON_DASHBOARD_PORT")
    require_free_port(settings.host, settings.dagster_port, "the Dagster UI", "FALCON_DAGSTER_PORT")


def local_services(settings: Settings, stack: Stack) -> tuple[Service, ...]:
    """The dashboard, the Dagster UI and the Dagster daemon."""
    tools = Path(sys.executable).parent
    workspace = str(configuration_file("workspace.yaml"))
    logs = stack.home / "log"
    return (
        Service(
            name="dashboard",
            command=(sys.executable, "-m", "falcon_pipelines.dashboard.server"),
            log=logs / "dashboard.log",
            health_url=f"{dashboard_url(settings)}/readyz",
        ),
        Service(
            name="dagster-webserver",
            command=(
                str(tools / "dagster-webserver"),
                "--host",
                settings.host,
                "--port",
                str(settings.dagster_port),
                "--workspace",
                workspace,
            ),
            log=logs / "dagster-webserver.log",
            health_url=f"{dagster_url(settings)}/server_info",
        ),
        Service(
            name="dagster-daemon",
            command=(str(tools / "dagster-daemon"), "run", "--workspace", workspace),
            log=logs / "dagster-daemon.log",
        ),
    )
