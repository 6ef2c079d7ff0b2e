"""The open orders of an account while one bar is worked through: by id and ticker, and the cash they keep back.

Sales are kept within what is held here, and a bracket's exits within what is left of it. Knows no prices and no books.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from falcon_pipelines.trading.ledger import ZERO
from falcon_pipelines.trading.orders import Order, Status

WHOLE_POSITION_ROLES = ("stop", "trail", "target", "time")


class OpenOrders(Mapping[str, Order]):
    """Open orders by id, in order of arrival; `changed` holds the last form of each that was touched."""

    def __init__(self, orders: Mapping[str, Order]) -> None:
        self._by_id = dict(orders)
        self._by_ticker: dict[str, dict[str, Order]] = {}
        for order in orders.values():
            self._by_ticker.setdefault(order.ticker, {})[order.id] = order
        self._reserved = sum((order.reserve for order in orders.values()), ZERO)
        self.changed: dict[str, Order] = {}

    def __getitem__(self, name: str) -> Order:
        return self._by_id[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_id

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, ticker: str | None = None) -> list[Order]:
        """Those of a ticker, or all, in order of arrival."""
        return list((self._by_id if ticker is None else self._by_ticker.get(ticker, {})).values())

    def tickers(self) -> set[str]:
        return {ticker for ticker, orders in self._by_ticker.items() if orders}

    def bracket(self, parent: str, ticker: str) -> list[Order]:
        """The open exits of an entry."""
        return [order for order in self._by_ticker.get(ticker, {}).values() if order.parent == parent]

    def reserved(self, besides: str = "") -> Decimal:
        """Cash kept back for purchases, in dollars, without the order named."""
        return self._reserved - self._reserve_of(besides)

    def _reserve_of(self, name: str) -> Decimal:
        order = self._by_id.get(name)
        return ZERO if order is None else order.reserve

    def coming(self, ticker: str) -> int:
        """Shares that open market purchases may still bring: a sale may be placed against them."""
        return sum(o.remaining for o in self.of(ticker) if o.side == "buy" and o.type == "market")

    def put(self, order: Order) -> Order:
        """Store a new form of an order."""
        self.changed[order.id] = order
        self._reserved -= self._reserve_of(order.id)
        of_ticker = self._by_ticker.setdefault(order.ticker, {})
        if order.status == "open":
            self._by_id[order.id] = of_ticker[order.id] = order
            self._reserved += order.reserve
        else:
            self._by_id.pop(order.id, None)
            of_ticker.pop(order.id, None)
        return order

    def end(self, order: Order, status: Status, reason: str | None = None) -> None:
        """Close an order."""
        self.put(replace(order, status=status, reason=reason, reserve=ZERO))

    def reduce(self, order: Order, remaining: int, reason: str) -> Order:
        """Make what is left of an order smaller; cancels it where nothing is left."""
        if remaining >= order.remaining:
            return order
        smaller = replace(order, quantity=order.filled + max(0, remaining))
        if smaller.remaining:
            return self.put(smaller)
        self.end(order, "cancelled", reason)
        return smaller

    def shrink_siblings(self, exit_: Order, sold: int) -> None:
        """After an exit `sold` shares, the others of its bracket cover what is left of it."""
        family = [order for order in self.bracket(exit_.parent or "", exit_.ticker) if order.id != exit_.id]
        whole = [order for order in family if order.role in WHOLE_POSITION_ROLES]
        covered = exit_.remaining if exit_.role in WHOLE_POSITION_ROLES else None
        for order in whole:
            order = self.reduce(order, order.remaining - sold, f"{exit_.id} was filled")
            covered = order.remaining if covered is None else min(covered, order.remaining)
        for order in family:
            if order.role == "partial" and covered is not None:
                self.reduce(order, min(order.remaining, covered), f"{exit_.id} was filled")

    def fit_exits(self, ticker: str, held: int) -> None:
        """No open sale may exceed the shares held, nor all brackets together.

        The oldest bracket gives way.
        """
        reason = "the position was closed" if not held else "less is held"
        for order in self.of(ticker):
            if order.side == "sell":
                self.reduce(order, min(order.remaining, held), reason)
        covers: dict[str, int] = {}
        for order in self.of(ticker):
            if order.parent and order.role in WHOLE_POSITION_ROLES:
                covers[order.parent] = order.remaining
        excess = sum(covers.values()) - held
        for parent, cover in covers.items():
            if excess <= 0:
                break
            cut = min(excess, cover)
            excess -= cut
            for order in self.bracket(parent, ticker):
                self.reduce(order, min(order.remaining, cover - cut), reason)
