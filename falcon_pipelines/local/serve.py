"""Serve Falcon on this machine until a person stops it."""

import signal
import tempfile
from pathlib import Path
from types import FrameType

from rich.console import Console

from falcon_pipelines.bars.synthetic import REFERENCE_FILE
from falcon_pipelines.dashboard.access.policy import is_loopback
from falcon_pipelines.local.heartbeats import Heartbeats
from falcon_pipelines.local.services import (
    FEED,
    Login,
    dagster_url,
    dashboard_url,
    local_services,
    require_free_ports,
)
from falcon_pipelines.local.stack import SYNTHETIC_FOLDER, Stack
from falcon_pipelines.local.supervisor import Supervisor
from falcon_pipelines.settings import Settings, origin


def serve_until_interrupted(
    settings: Settings, stack: Stack, console: Console, *, made_up: bool = False
) -> None:
    """Run the services; returns after Ctrl-C or SIGTERM, with all of them stopped.

    Over `made_up` content the dashboard opens without a login where only this machine reaches it, unless
    FALCON_DASHBOARD_LOGIN is set. Made-up minutes are replayed unless FALCON_FEED is set. Raises PortTaken,
    ServiceFailed.
    """
    login, live = _dashboard_login(settings, made_up), live_settings(settings)
    require_free_ports(settings, live.get(FEED, settings.feed))
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _interrupt)
    with tempfile.TemporaryDirectory(prefix="falcon-") as runtime:
        services = local_services(settings, stack, Path(runtime), dashboard_login=login, live=live)
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


def live_settings(settings: Settings) -> dict[str, str]:
    """What the trader and the feed are told over a made-up store, where the settings do not say it themselves."""
    from falcon_pipelines.bars.store import BarStore

    store = BarStore(settings.market_data)
    if not store.is_synthetic() or not store.sessions("minute"):
        return {}
    told = {FEED: "replay"} if origin("feed", settings.home) == "default" else {}
    reference = settings.home / SYNTHETIC_FOLDER / REFERENCE_FILE
    unsaid = all(origin(name, settings.home) == "default" for name in ("reference_csv", "reference_source"))
    if unsaid and reference.is_file():
        told["FALCON_REFERENCE_CSV"] = str(reference)
    return told


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
