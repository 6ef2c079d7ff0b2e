"""The open positions: what is held, what it is worth now, how it is protected, since when."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import mappings, number
from falcon_pipelines.dashboard.values import Dollars, PerShare, Quantity, Ratio, Value

STOP_ROLES = ("stop", "trail")
WALK_LIMIT = 100
"""Postings of one ticker that are gone back through to find when the position was opened."""


class Position(Value):
    """An open position: shares and cost from the postings, value at the last known price.

    `priced_by` is `live` for the close of a live minute bar, `mark` for the price of the account's last turn.
    `r_multiple` is the profit per share in multiples of what was at risk between entry and first stop.
    """

    ticker: str
    quantity: Quantity
    cost: Dollars
    average_cost: PerShare
    price: PerShare | None
    priced_at: datetime | None
    priced_by: Literal["live", "mark"] | None
    market_value: Dollars | None
    unrealised: Dollars | None
    unrealised_return: Ratio | None
    stop: PerShare | None
    target: PerShare | None
    first_stop: PerShare | None
    r_multiple: float | None
    opened_at: datetime | None


_HELD = text("""
WITH RECURSIVE held AS (
    SELECT ticker, quantity, cost FROM position_totals WHERE account_id = :account AND quantity <> 0
), walk AS (
    SELECT ticker, quantity::numeric AS before, 2147483647 AS number, NULL::timestamptz AS booked_at, 0 AS step FROM held
    UNION ALL
    SELECT walk.ticker, walk.before - posted.quantity, posted.number, posted.booked_at, walk.step + 1
    FROM walk CROSS JOIN LATERAL (
        SELECT p.number, sum(coalesce(p.quantity, 0)) AS quantity, min(p.booked_at) AS booked_at
        FROM postings AS p
        WHERE p.account_id = :account AND p.ticker = walk.ticker AND p.ledger = 'securities'
        AND p.number = (
            SELECT q.number FROM postings AS q
            WHERE q.account_id = :account AND q.ticker = walk.ticker AND q.ledger = 'securities'
            AND q.number < walk.number ORDER BY q.number DESC LIMIT 1
        )
        GROUP BY p.number
    ) AS posted
    WHERE walk.before <> 0 AND walk.step < :limit
)
SELECT held.ticker, held.quantity, held.cost, mark.price AS marked, mark.priced_at AS marked_at,
       live.close AS live, live.starts_at AS live_at, opened.booked_at AS opened_at, exits.orders AS exits
FROM held
JOIN accounts ON accounts.id = :account
LEFT JOIN walk AS opened ON opened.ticker = held.ticker AND opened.before = 0 AND opened.step > 0
LEFT JOIN position_marks AS mark ON mark.account_id = :account AND mark.ticker = held.ticker
LEFT JOIN LATERAL (
    SELECT close, starts_at FROM live_bars
    WHERE live_bars.ticker = held.ticker AND (live_bars.basis = 'synthetic') = accounts.synthetic
    ORDER BY starts_at DESC, revision DESC LIMIT 1
) AS live ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(
        jsonb_build_object(
            'role', o.role, 'stop', o.stop_price::text, 'limit', o.limit_price::text,
            'protect', entry.detail -> 'protect'
        ) ORDER BY o.submitted_at, o.sequence
    ) AS orders
    FROM orders AS o LEFT JOIN orders AS entry ON entry.id = o.parent_id
    WHERE o.account_id = :account AND o.status = 'open' AND o.ticker = held.ticker
    AND o.side = CASE WHEN held.quantity > 0 THEN 'sell' ELSE 'buy' END
) AS exits ON true
ORDER BY held.ticker
""")


def positions(session: Session, account_id: int) -> list[Position]:
    """The open positions of an account, by ticker."""
    return [_position(row) for row in session.execute(_HELD, {"account": account_id, "limit": WALK_LIMIT})]


def _position(row: Any) -> Position:
    live = row.live_at is not None and (row.marked_at is None or row.live_at > row.marked_at)
    price, priced_at = (row.live, row.live_at) if live else (row.marked, row.marked_at)
    sign = 1 if row.quantity > 0 else -1
    average = row.cost / row.quantity
    value = None if price is None else row.quantity * price
    exits = list(mappings(row.exits))
    levels = (_first_stop(order.get("protect"), average, sign) for order in exits)
    first_stop = next((level for level in levels if level is not None), None)
    risk = None if first_stop is None else (average - first_stop) * sign
    gain = None if price is None else (price - average) * sign
    return Position(
        ticker=row.ticker,
        quantity=row.quantity,
        cost=row.cost,
        average_cost=average,
        price=price,
        priced_at=priced_at,
        priced_by=None if price is None else "live" if live else "mark",
        market_value=value,
        unrealised=None if value is None else value - row.cost,
        unrealised_return=None
        if value is None or not row.cost
        else float((value - row.cost) / abs(row.cost)),
        stop=next((Decimal(o["stop"]) for o in exits if o["role"] in STOP_ROLES and o["stop"]), None),
        target=next((Decimal(o["limit"]) for o in exits if o["role"] == "target" and o["limit"]), None),
        first_stop=first_stop,
        r_multiple=float(gain / risk) if gain is not None and risk is not None and risk > 0 else None,
        opened_at=row.opened_at,
    )


def _first_stop(protect: Any, average: Decimal, sign: int) -> Decimal | None:
    """Where the protection of the entry put the stop at first; None where it had none."""
    if not isinstance(protect, dict):
        return None
    level = number(protect.get("stop"))
    if level is not None:
        return Decimal(str(level))
    distance = number(protect.get("stop_distance"))
    if distance is not None:
        return average - sign * Decimal(str(distance))
    for name in ("stop_pct", "trail_pct"):
        percent = number(protect.get(name))
        if percent is not None:
            return average * (1 - sign * Decimal(str(percent)) / 100)
    return None
