"""Compiling the fill rules before the first bar needs them: seconds at the start instead of at a stop."""

from datetime import date
from decimal import Decimal
from typing import Any

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.engine import open_account, step
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Bar, OrderRequest, Protection, usd


def warm_up() -> None:
    """Trade a few made-up bars in memory, so that every fill rule was called once."""
    day = date(2024, 1, 2)
    at = session_open_close(day)[0]
    moment = Moment(at, at, day)
    protect = Protection(stop=usd(9), target=usd(12), trail_pct=5.0)
    types: dict[str, dict[str, Any]] = {
        "market": {},
        "limit": {"limit": usd(9.5)},
        "stop": {"stop": usd(10.5)},
    }
    types |= {"stop_limit": {"stop": usd(10.5), "limit": usd(11)}, "trailing": {"trail_pct": 5.0}}
    orders = [
        OrderRequest(name, at, name, "buy", name, 1, protect=protect, **levels)  # type: ignore[arg-type]
        for name, levels in types.items()
    ]
    state = open_account("warm-up", Decimal(1_000), at).state
    for prices in ((10.0, 11.0, 9.2, 10.0), (10.0, 13.0, 8.0, 9.0), (9.0, 9.0, 8.0, 8.0)):
        state = step(state, moment, orders, {name: Bar(*prices, 1e6) for name in types}, Rules()).state
        orders, at = [], at.replace(minute=at.minute + 1)
        moment = Moment(at, at, day)
