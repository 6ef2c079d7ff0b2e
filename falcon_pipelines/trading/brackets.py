"""The protective orders of an entry: their levels from the fill price, and the orders they are.

A bracket's orders carry the entry's id with a suffix: `.stop`, `.trail`, `.target`, `.partial1`, `.time`. A
fill of one cancels the others. Pure functions of the entry and its fill.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from falcon_pipelines.backtesting.fill_rules import BUY, trail_level
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Order, Protection, usd


def fixed_stop(protect: Protection, price: float) -> float | None:
    """The stop below a fill at `price`, without the trailing one, in dollars."""
    if protect.stop is not None:
        return float(protect.stop)
    if protect.stop_pct is not None:
        return price * (1.0 - protect.stop_pct / 100.0)
    if protect.stop_distance is not None:
        return price - protect.stop_distance
    return None


def first_stop(protect: Protection, price: float) -> float | None:
    """The tightest stop of a fill at `price`, in dollars: what its initial risk is measured to."""
    levels = [fixed_stop(protect, price)]
    if protect.trail_pct is not None:
        levels.append(trail_level(BUY, price, protect.trail_pct))
    known = [level for level in levels if level is not None]
    return max(known) if known else None


def gain_level(price: float, risk: float, percent: float | None, r_multiple: float | None) -> Decimal | None:
    """A price above `price` by percent, or by multiples of `risk` dollars; None without either."""
    if percent is not None:
        return usd(price * (1.0 + percent / 100.0))
    if r_multiple is not None and not math.isnan(risk):
        return usd(price + r_multiple * risk)
    return None


def children(
    entry: Order, added: int, price: Decimal, moment: Moment, known: Mapping[str, Order]
) -> list[Order]:
    """The bracket of an entry after `added` more shares were filled at `price`.

    `known` are the open orders: those of the bracket that exist already keep what they have learned.
    """
    protect = entry.protect
    assert protect is not None
    average = float(entry.average_price)
    stop = fixed_stop(protect, average)
    tightest = first_stop(protect, average)
    risk = math.nan if tightest is None else average - tightest
    target = protect.target or gain_level(average, risk, protect.target_pct, protect.target_r)
    raise_at = gain_level(average, risk, protect.breakeven_pct, protect.breakeven_r)

    def child(suffix: str, **fields: object) -> Order:
        name = f"{entry.id}.{suffix}"
        old = known.get(name)
        base = old or Order(
            id=name,
            ticker=entry.ticker,
            side="sell",
            type="market",
            quantity=0,
            submitted_at=moment.time,
            sequence=0,
            parent=entry.id,
            protect=protect,
            strategy=entry.strategy,
            profile=entry.profile,
        )
        return replace(base, quantity=base.quantity + added, **fields)  # type: ignore[arg-type]

    found: list[Order] = []
    if stop is not None or raise_at is not None:
        before = known.get(f"{entry.id}.stop")
        level = None if stop is None else usd(stop)
        if before is not None and before.edited:
            level = before.stop
        found.append(
            child("stop", type="stop", role="stop", stop=level, raise_at=raise_at, raise_to=usd(average))
        )
    if protect.trail_pct is not None:
        before = known.get(f"{entry.id}.trail")
        best = float(price) if before is None or before.best is None else before.best
        level = usd(trail_level(BUY, best, protect.trail_pct))
        found.append(
            child("trail", type="trailing", role="trail", trail_pct=protect.trail_pct, best=best, stop=level)
        )
    for number, part in enumerate(protect.partial, 1):
        shares = math.floor(entry.filled * part.fraction + 1e-9)
        limit = gain_level(average, risk, part.percent, part.r_multiple)
        if shares and limit is not None:
            order = child(f"partial{number}", type="limit", role="partial", limit=limit)
            found.append(replace(order, quantity=shares))
    if target is not None:
        found.append(child("target", type="limit", role="target", limit=usd(target)))
    if protect.max_days is not None or protect.max_bars is not None:
        before = known.get(f"{entry.id}.time")
        due = moment.session_after(protect.max_days) if protect.max_days is not None else None
        found.append(
            child(
                "time",
                role="time",
                due=before.due if before else due,
                bars_left=before.bars_left if before else protect.max_bars,
            )
        )
    return found
