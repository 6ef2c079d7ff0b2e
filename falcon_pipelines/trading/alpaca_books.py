"""The ledger's side of an account that Alpaca fills: what is accepted for it, and what its orders say was traded.

Works on one `Turn`; knows no network.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from alpaca.trading.models import Order as TheirOrder

from falcon_pipelines.trading.alpaca_orders import unsupported, value
from falcon_pipelines.trading.alpaca_protection import Family, stops_of
from falcon_pipelines.trading.brackets import first_stop
from falcon_pipelines.trading.engine import place
from falcon_pipelines.trading.ledger import ZERO
from falcon_pipelines.trading.orders import Order, OrderRequest, usd
from falcon_pipelines.trading.purchases import limit_refusal
from falcon_pipelines.trading.sizing import affordable, shares_asked
from falcon_pipelines.trading.turn import Turn

_DEAD = ("canceled", "expired", "rejected", "done_for_day", "stopped", "suspended")


def accept(turn: Turn, request: OrderRequest) -> None:
    """Take an order into the books, sized and judged at the ticker's last price; waits while none is known."""
    if request.side == "sell":
        place(turn, request)
        return
    bar = turn.bars.get(request.ticker)
    last = usd(bar.close) if bar is not None else turn.prices.get(request.ticker)
    if last is None:
        return
    quantity = request.quantity or 0
    if request.sizing is not None:
        stop = first_stop(request.protect, float(last)) if request.protect else None
        fee = turn.rules.costs.fee_bps
        quantity = min(
            shares_asked(request.sizing, last, turn.equity(), fee, stop),
            affordable(last, max(turn.free_cash(), ZERO), fee),
        )
    place(turn, replace(request, quantity=max(quantity, 1), sizing=None))
    order = turn.orders.get(request.id)
    if order is None:
        return
    cost = turn.cost(order.limit or last, quantity)
    reason = unsupported(order) or _refusal(turn, order, quantity, cost)
    if reason is not None:
        turn.reject(order, reason)
    else:
        turn.orders.put(replace(order, reserve=cost))


def _refusal(turn: Turn, order: Order, quantity: int, cost: Decimal) -> str | None:
    if not quantity:
        return "its size comes to no whole share"
    if cost > turn.free_cash(order.id):
        return f"not enough cash: {cost:,.2f} dollars are needed, {turn.free_cash(order.id):,.2f} are free"
    buying = {o.ticker for o in turn.orders.of() if o.side == "buy" and o.id != order.id}
    most = turn.rules.limits.max_positions
    if most is not None and len(buying | turn.keeper.books.lots.keys() - {order.ticker}) >= most:
        return f"max_positions: {most} are held or ordered already"
    return limit_refusal(turn, order, cost)


def book(turn: Turn, theirs: Mapping[str, Family]) -> bool:
    """Write into the turn what Alpaca's orders say beyond what is booked; whether that was anything."""
    changed = False
    for name, family in theirs.items():
        entry, ours = family.entry, turn.orders.get(name)
        if ours is not None:
            changed |= _book_more(turn, [ours], [entry])
        target, exits = turn.orders.get(f"{name}.target"), family.exits
        changed |= _book_more(
            turn, stops_of(turn.orders, name), [leg for leg in exits if leg.stop_price is not None]
        )
        if target is not None:
            changed |= _book_more(turn, [target], [leg for leg in exits if leg.stop_price is None])
        ours = turn.orders.get(name)
        if ours is not None and value(entry.status) in _DEAD:
            turn.reject(ours, f"Alpaca: {value(entry.status)}")
            changed = True
    return changed


def _book_more(turn: Turn, ours: Sequence[Order], theirs: Iterable[TheirOrder]) -> bool:
    """Book what `theirs` filled together beyond what `ours` have: orders that stood for the same at different times."""
    traded = [order for order in theirs if order.filled_avg_price is not None]
    quantity = sum(_shares(order) for order in traded) - sum(order.filled for order in ours)
    if quantity <= 0 or not ours:
        return False
    worth = sum((Decimal(str(order.filled_avg_price)) * _shares(order) for order in traded), ZERO)
    price = usd((usd(worth) - sum((order.cost for order in ours), ZERO)) / quantity)
    filled = max(ours, key=lambda order: order.stop or ZERO)
    if filled.side == "buy":
        turn.book_purchase(filled, quantity, price, ("alpaca",))
    else:
        turn.book_sale(filled, quantity, price, ("alpaca",))
    return True


def _shares(order: TheirOrder) -> int:
    return int(Decimal(str(order.filled_qty or 0)))
