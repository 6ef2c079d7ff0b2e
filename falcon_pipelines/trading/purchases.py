"""Whether a purchase may be filled at a price, and how much of it: halts, sizes, limits, cash, volume."""

from dataclasses import replace
from decimal import Decimal

from falcon_pipelines.backtesting.fill_rules import BUY, slipped
from falcon_pipelines.trading.brackets import first_stop
from falcon_pipelines.trading.ledger import ZERO
from falcon_pipelines.trading.orders import Order, Sizing, usd
from falcon_pipelines.trading.risk import Exposure, refusal, room
from falcon_pipelines.trading.sizing import affordable, shares_asked
from falcon_pipelines.trading.turn import Turn, money


def enter(turn: Turn, order: Order, price: float, *, slip: bool) -> bool:
    """Fill a buy as far as halts, limits, cash and volume allow; whether anything was filled.

    What cannot be paid for is refused, what the volume does not allow stays open.
    """
    if turn.halts:
        return False
    paid = usd(slipped(BUY, price, turn.rules.costs.slippage_bps) if slip else price)
    free = turn.free_cash(order.id)
    if order.protect and order.protect.void_if_passed and not order.filled:
        stop = first_stop(order.protect, float(paid))
        if stop is not None and not stop < float(paid):
            turn.reject(order, f"the stop {stop:.2f} is already passed at {money(paid)}")
            return False
    if order.sizing and not order.filled:
        order = turn.orders.put(replace(order, quantity=_asked(turn, order, order.sizing, paid)))
    if order.sizing:
        spendable = min(free, room(turn.rules.limits, _exposure(turn, order), order.ticker, order.strategy))
        shares = min(order.remaining, affordable(paid, spendable, turn.rules.costs.fee_bps))
        if not shares:
            none = f"{money(free)} dollars of free cash buy no share at {money(paid)}"
            turn.reject(order, limit_refusal(turn, order, turn.cost(paid, 1)) or none)
            return False
        order = replace(order, quantity=order.filled + shares)
    reason = limit_refusal(turn, order, turn.cost(paid, order.remaining))
    if reason is None and not order.filled and turn.cost(paid, order.remaining) > free:
        reason = _too_dear(turn, order, paid, order.remaining, free)
    quantity = int(min(order.remaining, turn.allowed_volume(order.ticker)))
    if reason is None and turn.cost(paid, quantity) > free:
        reason = _too_dear(turn, order, paid, quantity, free)
    if reason is not None:
        turn.reject(order, reason)
        return False
    if order.type == "stop" or order.type == "trailing":
        order = turn.orders.put(replace(order, triggered=True))
    if not quantity:
        return False
    turn.book_purchase(order, quantity, paid)
    return True


def _too_dear(turn: Turn, order: Order, price: Decimal, quantity: int, free: Decimal) -> str:
    needed = turn.cost(price, quantity)
    return (
        f"not enough cash: {quantity} {order.ticker} at {money(price)} cost {money(needed)} dollars, "
        f"{money(max(free, ZERO))} are free"
    )


def _asked(turn: Turn, order: Order, sizing: Sizing, price: Decimal) -> int:
    stop = first_stop(order.protect, float(price)) if order.protect else None
    return shares_asked(sizing, price, turn.sizing_equity, turn.rules.costs.fee_bps, stop)


def limit_refusal(turn: Turn, order: Order, cost: Decimal) -> str | None:
    """Why buying for `cost` dollars breaks a limit; None when it does not."""
    cooling = turn.cooling.get(order.ticker)
    still = cooling if cooling is not None and cooling > turn.moment.session else None
    return refusal(turn.rules.limits, _exposure(turn, order), order.ticker, order.strategy, cost, still)


def _exposure(turn: Turn, order: Order) -> Exposure:
    books = turn.keeper.books
    holding = set(books.lots) | (turn.positions_at_open or set())
    return Exposure(
        equity=turn.equity(),
        invested={
            name: (books.quantity(name) * turn.prices[name], turn.held_by.get(name)) for name in books.lots
        },
        opening=order.ticker not in holding,
        positions=len(holding),
    )
