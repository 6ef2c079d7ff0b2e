"""The HTML pages: one module each; every page reads once, in one transaction, and renders one template."""

from falcon_pipelines.dashboard.pages import (
    account_actions,
    candidates,
    data,
    decisions,
    login,
    overlays,
    profiles,
    screens,
    strategies,
    system,
    today,
    trading,
    videos,
)

ROUTERS = (
    login.router,
    today.router,
    profiles.router,
    screens.router,
    candidates.router,
    strategies.router,
    overlays.router,
    decisions.router,
    videos.router,
    trading.router,
    account_actions.router,
    data.router,
    system.router,
)

__all__ = ["ROUTERS"]
