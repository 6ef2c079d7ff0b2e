"""Which processes make up Falcon on one machine."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml

from falcon_pipelines.local.stack import Stack
from falcon_pipelines.local.supervisor import Service, require_free_port
from falcon_pipelines.settings import Settings

LOCATION = "falcon_pipelines"

Login = Literal["on", "off"]
FEED = "FALCON_FEED"


def dashboard_url(settings: Settings) -> str:
    """Address of the dashboard."""
    return f"http://{settings.host}:{settings.dashboard_port}"


def dagster_url(settings: Settings) -> str:
    """Address of the Dagster UI."""
    return f"http://{settings.host}:{settings.dagster_port}"


def trader_url(settings: Settings) -> str:
    """Address of the trader's health and metrics."""
    return f"http://127.0.0.1:{settings.trader_port}"


def feed_url(settings: Settings) -> str:
    """Where the feed says how it is; on this machine only."""
    return f"http://127.0.0.1:{settings.feed_port}"


def require_free_ports(settings: Settings, feed: str = "off") -> None:
    """Raises PortTaken for the first of the services' ports that another program has."""
    require_free_port(settings.host, settings.dashboard_port, "the dashboard", "FALCON_DASHBOARD_PORT")
    require_free_port(settings.host, settings.dagster_port, "the Dagster UI", "FALCON_DAGSTER_PORT")
    require_free_port("127.0.0.1", settings.trader_port, "the trader's health", "FALCON_TRADER_PORT")
    if feed != "off":
        require_free_port("127.0.0.1", settings.feed_port, "the feed's health", "FALCON_FEED_PORT")


def local_services(
    settings: Settings,
    stack: Stack,
    runtime: Path,
    *,
    dashboard_login: Login,
    live: Mapping[str, str],
) -> tuple[Service, ...]:
    """The dashboard, Dagster's code server, web server and daemon, the trader, and the feed unless it is off.

    `live` are settings of the trader and the feed alone, by the name of their variable.

    `runtime` is a private folder with a short path: the code server's socket is in it, because whoever reaches
    that can run code, and a socket's path may have no more than about 100 characters.
    """
    tools = Path(sys.executable).parent
    code_server = runtime / "code-server.sock"
    workspace = runtime / "workspace.yaml"
    workspace.write_text(
        yaml.safe_dump(
            {"load_from": [{"grpc_server": {"socket": str(code_server), "location_name": LOCATION}}]}
        )
    )
    logs = stack.home / "log"
    return (
        Service(
            name="dashboard",
            command=(sys.executable, "-m", "falcon_pipelines.dashboard.server"),
            log=logs / "dashboard.log",
            health_url=f"{dashboard_url(settings)}/readyz",
            environment={
                "FALCON_DATABASE_URL": stack.web_database_url,
                "FALCON_DASHBOARD_LOGIN": dashboard_login,
            },
        ),
        Service(
            name="dagster-code-server",
            command=(
                *(sys.executable, "-m", "dagster", "api", "grpc"),
                *("--socket", str(code_server)),
                *("--module-name", "falcon_pipelines.definitions"),
                *("--location-name", LOCATION),
                "--use-python-environment-entry-point",
            ),
            log=logs / "dagster-code-server.log",
            ready_file=code_server,
        ),
        Service(
            name="dagster-webserver",
            command=(
                str(tools / "dagster-webserver"),
                *("--host", settings.host),
                *("--port", str(settings.dagster_port)),
                *("--workspace", str(workspace)),
            ),
            log=logs / "dagster-webserver.log",
            health_url=f"{dagster_url(settings)}/server_info",
        ),
        Service(
            name="dagster-daemon",
            command=(str(tools / "dagster-daemon"), "run", "--workspace", str(workspace)),
            log=logs / "dagster-daemon.log",
        ),
        Service(
            name="trader",
            command=(sys.executable, "-m", "falcon_pipelines", "trader"),
            log=logs / "trader.log",
            health_url=f"{trader_url(settings)}/healthz",
            # Before the feed: an account opened later would miss the first bars.
            before_others=True,
            environment=live,
            beats=True,
        ),
        *(() if live.get(FEED, settings.feed) == "off" else (_feed(settings, logs, live),)),
    )


def _feed(settings: Settings, logs: Path, live: Mapping[str, str]) -> Service:
    return Service(
        name="feed",
        command=(sys.executable, "-m", "falcon_pipelines", "feed"),
        log=logs / "feed.log",
        health_url=f"{feed_url(settings)}/healthz",
        environment=live,
        beats=True,
    )
