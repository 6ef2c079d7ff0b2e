"""`falcon feed`: the service that brings minute bars into the database, live or replayed."""

from typing import Annotated

import typer

from falcon_pipelines import settings as settings_module

SERVICE = "falcon-feed"


def feed(
    source: Annotated[
        str | None, typer.Option(help="replay, massive or alpaca; default: FALCON_FEED.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0, help="Market seconds a second of a replay; 0: as fast as possible.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="First session to replay.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session to replay.")] = None,
    exit_when_finished: Annotated[
        bool,
        typer.Option("--exit-when-finished", help="End with the replay instead of waiting to be stopped."),
    ] = False,
) -> None:
    """Bring minute bars into the database until stopped; reports to systemd, /healthz and /metrics."""
    from falcon_pipelines.local.stack import application_engine
    from falcon_pipelines.services.logs import log_json_lines
    from falcon_pipelines.services.service import Service
    from falcon_pipelines.trading.feed.build import feed_from_settings, feed_of_first_minutes, require_feed

    log_json_lines()
    changes = {
        "feed": source,
        "feed_replay_speed": speed,
        "feed_replay_start": start,
        "feed_replay_end": end,
    }
    settings = settings_module.changed(
        settings_module.load(), {name: value for name, value in changes.items() if value is not None}
    )
    require_feed(settings)
    with (
        application_engine(settings) as engine,
        Service(SERVICE, engine, port=settings.feed_port) as service,
    ):
        if exit_when_finished:
            feed_from_settings(settings, engine, service, stop_when_finished=True).run()
        elif loop := feed_of_first_minutes(settings, engine, service):
            loop.run()
