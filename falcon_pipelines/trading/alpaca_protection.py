"""What keeps a position protected at Alpaca once the legs of its bracket are gone, as when a sale took their place. Pure.

Our books hold the exits of an entry as orders of their own; at Alpaca they are legs of the entry's bracket, or of an
order that was sent to stand in for them: `<entry>.again1`, `.again2` and so on.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.models import Order as TheirOrder
from alpaca.trading.requests import (
    LimitOrderRequest,
    OrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)

from falcon_pipelines.trading.account import AccountState
from falcon_pipelines.trading.alpaca_orders import tick, value
from falcon_pipelines.trading.orders import Order
from falcon_pipelines.trading.turn import STOP_ROLES

_LIVE = (
    "new",
    "accepted",
    "pending_new",
    "partially_filled",
    "held",
    "accepted_for_bidding",
    "pending_replace",
    "pending_cancel",
)


@dataclass(frozen=True)
class Family:
    """An order of ours at Alpaca, and the orders that stood in for its legs so far."""

    entry: TheirOrder
    again: tuple[TheirOrder, ...] = ()

    @property
    def exits(self) -> list[TheirOrder]:
        """Every leg there was, ended ones too."""
        found = list(self.entry.legs or ())
        for order in self.again:
            found += [order, *(order.legs or ())]
        return found

    @property
    def living(self) -> list[TheirOrder]:
        """The legs that may still fill."""
        return [leg for leg in self.exits if value(leg.status) in _LIVE]

    def covered(self, open_ids: Collection[str]) -> int:
        """Shares that the legs may still sell; those of one that took another's place are the other's."""
        may_fill = [
            leg for leg in self.exits if value(leg.status) in _LIVE or str(leg.replaced_by) in open_ids
        ]
        stops = sum(shares_left(leg) for leg in may_fill if leg.stop_price is not None)
        return max(stops, sum(shares_left(leg) for leg in may_fill if leg.stop_price is None))


@dataclass(frozen=True)
class StandIn:
    """Exits to send anew for an entry: `quantity` shares, at the stop, the target, or whichever comes first."""

    name: str
    ticker: str
    quantity: int
    stop: Decimal | None
    target: Decimal | None

    @property
    def levels(self) -> str:
        """In words of a person."""
        named = (("stop", self.stop), ("target", self.target))
        return " and ".join(f"{name} {tick(price):g}" for name, price in named if price is not None)


def stand_in_name(entry: str, number: int) -> str:
    """Our id of the order that stands in for an entry's legs for the `number`th time."""
    return f"{entry}.again{number}"


def stand_ins(
    state: AccountState, theirs: Mapping[str, Family], open_ids: Collection[str], sales: Collection[str]
) -> list[StandIn]:
    """What has to be sent so that no exit of the books rests there alone.

    `open_ids` are Alpaca's of the orders open there, `sales` our ids of the sales that need shares of their own.
    """
    free = Counter({ticker: state.books.quantity(ticker) for ticker in state.books.lots})
    for name in sales:
        free[state.orders[name].ticker] -= state.orders[name].remaining
    bare = []
    for name, family in theirs.items():
        stop, target = tightest_stop(state.orders, name), state.orders.get(f"{name}.target")
        resting = [order for order in (stop, target) if order is not None]
        if name in state.orders or not resting:
            continue
        ticker, wanted = resting[0].ticker, max(order.remaining for order in resting)
        covered = min(wanted, family.covered(open_ids))
        free[ticker] -= covered
        levels = (None if stop is None else stop.stop, None if target is None else target.limit)
        bare.append(StandIn(stand_in_name(name, len(family.again) + 1), ticker, wanted - covered, *levels))
    found = []
    for order in bare:
        quantity = min(order.quantity, free[order.ticker])
        if quantity > 0:
            free[order.ticker] -= quantity
            found.append(replace(order, quantity=quantity))
    return found


def request_for_stand_in(order: StandIn) -> OrderRequest:
    """A stop, a limit sale, or both of which one cancels the other."""
    fields: dict[str, Any] = {
        "symbol": order.ticker,
        "qty": order.quantity,
        "side": OrderSide.SELL,
        "time_in_force": TimeInForce.GTC,
        "client_order_id": order.name,
    }
    if order.target is None:
        assert order.stop is not None
        return StopOrderRequest(**fields, stop_price=tick(order.stop))
    limit = tick(order.target)
    if order.stop is None:
        return LimitOrderRequest(**fields, limit_price=limit)
    return LimitOrderRequest(
        **fields,
        order_class=OrderClass.OCO,
        take_profit=TakeProfitRequest(limit_price=limit),
        stop_loss=StopLossRequest(stop_price=tick(order.stop)),
    )


def stops_of(orders: Mapping[str, Order], entry: str) -> list[Order]:
    """The stops with a level that rest for an entry in our books, fixed and trailing."""
    found = [orders.get(f"{entry}.{role}") for role in STOP_ROLES]
    return [order for order in found if order is not None and order.stop is not None]


def tightest_stop(orders: Mapping[str, Order], entry: str) -> Order | None:
    """The highest of them."""
    return max(stops_of(orders, entry), key=lambda order: order.stop or 0, default=None)


def shares_left(order: TheirOrder) -> int:
    """Shares of an order of Alpaca's that are not filled."""
    return int(Decimal(str(order.qty or 0)) - Decimal(str(order.filled_qty or 0)))
