"""What keeps a position protected at Alpaca once the legs of its bracket are gone, as when a sale took their place. Pure.

Our books hold the exits of an entry as orders of their own; at Alpaca they are legs of the entry's bracket, or of an
order that was sent to stand in for them: `<entry>.again1`, `.again2` and so on.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
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

    def protects(self, open_ids: Collection[str]) -> bool:
        """Whether a leg may still fill, one that took another's place included."""
        return bool(self.living) or any(str(leg.replaced_by) in open_ids for leg in self.exits)


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
    free = {ticker: state.books.quantity(ticker) for ticker in state.books.lots}
    for name in sales:
        free[state.orders[name].ticker] -= state.orders[name].remaining
    bare = []
    for name, family in theirs.items():
        stop, target = tightest_stop(state.orders, name), state.orders.get(f"{name}.target")
        resting = [order for order in (stop, target) if order is not None]
        if name in state.orders or not resting:
            continue
        quantity = max(order.remaining for order in resting)
        if family.protects(open_ids):
            free[resting[0].ticker] -= quantity
        else:
            bare.append((name, family, stop, target, quantity))
    found = []
    for name, family, stop, target, quantity in bare:
        ticker = family.entry.symbol or ""
        quantity = min(quantity, free.get(ticker, 0))
        if quantity > 0:
            free[ticker] -= quantity
            number = len(family.again) + 1
            levels = (None if stop is None else stop.stop, None if target is None else target.limit)
            found.append(StandIn(stand_in_name(name, number), ticker, quantity, *levels))
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
