"""The ledger's side of an account that Alpaca fills: what is accepted for it, and what its orders say was traded.

Works on one `Turn`; knows no network.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from alpaca.trading.models import Order as TheirOrder

from falcon_pipelines.trading.alpaca_orders import unsupported, value
from falcon_pipelines.trading.brackets import first_stop
from falcon_pipelines.trading.engine import place
from falcon_pipelines.trading.ledger import ZERO
from falcon_pipelines.trading.orders import Order, OrderRequest, usd
from falcon_pipelines.trading.purchases import limit_refusal
from falcon_pipelines.trading.sizing import affordable, shares_asked
from falcon_pipelines.trading.turn import STOP_ROLES, Turn

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


def book(turn: Turn, theirs: Mapping[str, TheirOrder]) -> bool:
    """Write into the turn what Alpaca's orders say beyond what is booked; whether that was anything."""
    changed = False
    for name, order in theirs.items():
        ours = turn.orders.get(name)
        if ours is not None:
            changed |= _book_one(turn, ours, order, booked=ours.filled)
        for leg in legs_of(order):
            changed |= _book_leg(turn, name, leg)
        ours = turn.orders.get(name)
        if ours is not None and value(order.status) in _DEAD:
            turn.orders.end(
                ours, "cancelled" if ours.filled else "rejected", f"Alpaca: {value(order.status)}"
            )
            changed = True
    return changed


def _book_leg(turn: Turn, entry: str, leg: TheirOrder) -> bool:
    if leg.stop_price is not None:
        family = [turn.orders.get(f"{entry}.{role}") for role in STOP_ROLES]
        live = [order for order in family if order is not None and order.stop is not None]
        ours = max(live, key=lambda o: o.stop or 0, default=None)
        booked = sum(order.filled for order in live)
    else:
        ours = turn.orders.get(f"{entry}.target")
        booked = ours.filled if ours is not None else 0
    return ours is not None and _book_one(turn, ours, leg, booked=booked)


def _book_one(turn: Turn, ours: Order, theirs: TheirOrder, *, booked: int) -> bool:
    total = int(Decimal(str(theirs.filled_qty or 0)))
    quantity = total - booked
    if quantity <= 0 or theirs.filled_avg_price is None:
        return False
    worth = usd(Decimal(str(theirs.filled_avg_price)) * total)
    price = usd((worth - (ours.cost if booked == ours.filled else Decimal(0))) / quantity)
    if booked != ours.filled:
        price = usd(Decimal(str(theirs.filled_avg_price)))
    if ours.side == "buy":
        turn.book_purchase(ours, quantity, price, ("alpaca",))
    else:
        turn.book_sale(ours, quantity, price, ("alpaca",))
    return True


def legs_of(order: TheirOrder) -> Iterable[TheirOrder]:
    """The protective orders of a bracket."""
    return order.legs or ()
