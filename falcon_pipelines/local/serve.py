"""Serve Falcon on this machine until a person stops it."""

import signal
import tempfile
from pathlib import Path
from types import FrameType

from rich.console import Console

from falcon_pipelines.dashboard.access.policy import is_loopback
from falcon_pipelines.local.heartbeats import Heartbeats
from falcon_pipelines.local.services import (
    FeedName,
    Login,
    dagster_url,
    dashboard_url,
    local_services,
    require_free_ports,
)
from falcon_pipelines.local.stack import Stack
from falcon_pipelines.local.supervisor import Supervisor
from falcon_pipelines.settings import Settings, origin


def serve_until_interrupted(
    settings: Settings, stack: Stack, console: Console, *, made_up: bool = False
) -> None:
    """Run the services; returns after Ctrl-C or SIGTERM, with all of them stopped.

    Over `made_up` content the dashboard opens without a login where only this machine reaches it, unless
    FALCON_DASHBOARD_LOGIN is set, and its minutes are replayed unless FALCON_FEED is. Raises PortTaken, ServiceFailed.
    """
    login, feed = _dashboard_login(settings, made_up), _feed(settings, made_up)
    require_free_ports(settings, feed)
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _interrupt)
    with tempfile.TemporaryDirectory(prefix="falcon-") as runtime:
        services = local_services(settings, stack, Path(runtime), dashboard_login=login, feed=feed)
        supervisor = Supervisor(services, stack.environment())
        try:
            with console.status("starting the dashboard and Dagster"):
                supervisor.start()
                supervisor.wait_ready()
            console.print(
                f"Dashboard   {dashboard_url(settings)}{'' if login == 'on' else '  (no login: this machine only)'}"
            )
            console.print(f"Dagster UI  {dagster_url(settings)}")
            console.print("Ctrl-C stops everything.")
            supervisor.watch(Heartbeats(stack.database_url))
        except KeyboardInterrupt:
            console.print("stopping")
        finally:
            supervisor.stop()


def _dashboard_login(settings: Settings, made_up: bool) -> Login:
    if made_up and origin("dashboard_login", settings.home) == "default" and is_loopback(settings.host):
        return "off"
    return settings.dashboard_login


def _feed(settings: Settings, made_up: bool) -> FeedName:
    return "replay" if made_up and origin("feed", settings.home) == "default" else settings.feed


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
