"""`falcon trader`: the service that trades on live bars."""

from falcon_pipelines import settings as settings_module


def trader() -> None:
    """Trade promoted strategies and today's candidates on live bars until stopped; `falcon up` starts it too."""
    from falcon_pipelines.local.stack import application_engine
    from falcon_pipelines.trading.live.service import run_trader

    settings = settings_module.load()
    if settings.database_url is not None:
        run_trader(settings, settings.database_url.get_secret_value())
        return
    with application_engine(settings) as engine:
        run_trader(settings, engine.url.render_as_string(hide_password=False))
