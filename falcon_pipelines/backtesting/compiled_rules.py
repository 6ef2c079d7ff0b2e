"""The fill rules for compiled code: the same functions, made known to numba."""

from numba.extending import register_jitable

from falcon_pipelines.backtesting.fill_rules import (
    capacity,
    fills_at_open,
    limit_fill,
    protective_exit,
    slipped,
    stop_fill,
    stop_limit_fill,
    trail_level,
)

__all__ = [
    "capacity",
    "fills_at_open",
    "limit_fill",
    "protective_exit",
    "slipped",
    "stop_fill",
    "stop_limit_fill",
    "trail_level",
]

for rule in (
    *(stop_fill, limit_fill, fills_at_open, stop_limit_fill),
    *(protective_exit, trail_level, slipped, capacity),
):
    register_jitable(rule)
