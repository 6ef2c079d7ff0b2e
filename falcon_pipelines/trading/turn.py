"""The account while one bar is worked through: every change of an order, a fill or the books is made here.

A `Turn` is created from one state and ends in the next; which order meets which price is decided in
`matching`, whether a purchase may be filled in `purchases`, what is asked of the account in `engine`.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256

from falcon_pipelines.backtesting.fill_rules import SELL, capacity, slipped, trail_level
from falcon_pipelines.trading.account import AccountState, Outcome, Rules, equity
from falcon_pipelines.trading.bookkeeper import Bookkeeper
from falcon_pipelines.trading.brackets import children
from falcon_pipelines.trading.ledger import ZERO
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.open_orders import OpenOrders
from falcon_pipelines.trading.orders import Bar, Fill, Halt, Order, Rejection, usd
from falcon_pipelines.trading.sizing import cost_of, fee_of

STOP_ROLES = ("stop", "trail")


def money(amount: Decimal) -> str:
    """Dollars as a person reads them."""
    return f"{amount:,.2f}"


def trailed(order: Order) -> Order:
    """A trailing order with the level that follows from its best price."""
    if order.type != "trailing" or order.best is None or order.trail_pct is None:
        return order
    direction = 1 if order.side == "sell" else -1
    return replace(order, stop=usd(trail_level(direction, order.best, order.trail_pct)))


class Turn:
    """One account at one bar time.

    `bars` are the bars of that time by ticker; those that are not newer than a ticker's last are left out. Fills
    of the tickers in `replayed` are flagged so.
    """

    def __init__(
        self,
        state: AccountState,
        moment: Moment,
        bars: Mapping[str, Bar],
        rules: Rules,
        replayed: Collection[str] = (),
    ) -> None:
        self.state = state
        self.moment = moment
        last = state.last_bars
        self.bars = {t: bar for t, bar in bars.items() if t not in last or moment.time > last[t]}
        self.replayed = replayed
        self.rules = rules
        self.keeper = Bookkeeper(state.books)
        self.orders = OpenOrders(state.orders)
        self.prices = dict(state.prices)
        self.halts = list(state.halts)
        self.ended_halts: list[Halt] = []
        self.cooling = dict(state.cooling)
        self.stop_exits = list(state.stop_exits)
        self.held_by = dict(state.held_by)
        self.lived = list(state.lived)
        self.sequence = state.sequence
        self.day_start_equity = state.day_start_equity
        self.peak_equity = state.peak_equity
        self.fills: list[Fill] = []
        self.rejections: list[Rejection] = []
        self.traded: dict[str, int] = {}
        self.sizing_equity = ZERO
        self.held_back = ZERO
        """Proceeds of exits inside the bar: whether they came before an entry inside it is not known."""
        self.positions_at_open: set[str] | None = None

    def outcome(self) -> Outcome:
        """The next state and everything that happened."""
        held = self.keeper.books.lots
        state = AccountState(
            name=self.state.name,
            books=self.keeper.books,
            orders={order.id: order for order in self.orders.of()},
            prices={ticker: price for ticker, price in self.prices.items() if ticker in held},
            halts=tuple(self.halts),
            session=max(self.moment.session, self.state.session or self.moment.session),
            day_start_equity=self.day_start_equity,
            peak_equity=self.peak_equity,
            sequence=self.sequence,
            cooling=self.cooling,
            stop_exits=tuple(self.stop_exits),
            held_by={ticker: name for ticker, name in self.held_by.items() if ticker in held},
            last_bars=self._last_bars(),
            lived=tuple(self.lived),
            sectors={t: name for t in held if (name := self.rules.limits.sectors.get(t)) is not None},
        )
        return Outcome(
            state,
            tuple(self.orders.changed.values()),
            tuple(self.fills),
            tuple(self.rejections),
            tuple(self.keeper.entries),
            tuple(self.ended_halts),
        )

    def _last_bars(self) -> dict[str, datetime]:
        wanted = self.keeper.books.lots.keys() | self.orders.tickers()
        seen = dict.fromkeys(self.bars, self.moment.time)
        return {t: time for t, time in {**self.state.last_bars, **seen}.items() if t in wanted}

    def held(self, ticker: str) -> int:
        return self.keeper.books.quantity(ticker)

    def equity(self) -> Decimal:
        return equity(self.keeper.books, self.prices)

    def acting_orders(self, ticker: str | None = None) -> list[Order]:
        """Open orders that were there when the bar began, in order of arrival."""
        return [order for order in self.orders.of(ticker) if order.submitted_at <= self.moment.starts]

    def free_cash(self, besides: str = "") -> Decimal:
        """Cash that is neither kept back for another open order nor of uncertain timing."""
        return self.keeper.books.cash - self.orders.reserved(besides) - self.held_back

    def cost(self, price: Decimal, quantity: int) -> Decimal:
        """What buying costs, fee included, in dollars."""
        return cost_of(price, quantity, self.rules.costs.fee_bps)

    def fee(self, price: Decimal, quantity: int) -> Decimal:
        return fee_of(price, quantity, self.rules.costs.fee_bps)

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    def reject(self, order: Order, reason: str) -> None:
        """Refuse an order, or what is left of it."""
        self.refuse(order.id, reason)
        self.orders.end(order, "cancelled" if order.filled else "rejected", reason)

    def refuse(self, name: str, reason: str) -> None:
        self.rejections.append(Rejection(name, reason, self.moment.time))

    def halt(self, kind: str, reason: str) -> None:
        """Stop entries, once for each kind."""
        if all(halt.kind != kind for halt in self.halts):
            self.halts.append(Halt(kind, reason, self.moment.time))  # type: ignore[arg-type]

    def end_halts(self, *kinds: str) -> None:
        for halt in [halt for halt in self.halts if halt.kind in kinds]:
            self.halts.remove(halt)
            self.ended_halts.append(replace(halt, until=self.moment.time))

    def allowed_volume(self, ticker: str) -> float:
        """Shares of the ticker that may still trade on this bar, all orders of the account together."""
        share = self.rules.limits.volume_share
        if share is None:
            return math.inf
        volume = self.bars[ticker].volume
        if math.isnan(volume):
            return 0
        return max(0, int(capacity(volume, share)) - self.traded.get(ticker, 0))

    def book_purchase(self, order: Order, quantity: int, paid: Decimal, flags: tuple[str, ...] = ()) -> None:
        """Write shares that were bought for `paid` dollars each, and protect them."""
        cost = self.cost(paid, quantity)
        fill = self._fill(order, quantity, paid, flags)
        self.keeper.buy(self.moment.time, order.ticker, quantity, cost, fill.id)
        if order.strategy:
            self.held_by[order.ticker] = order.strategy
        order = replace(order, filled=order.filled + quantity, cost=order.cost + paid * quantity)
        left = order.remaining
        reserve = self.cost(max(paid, usd(order.limit or 0)), left) if left else ZERO
        order = replace(order, reserve=min(reserve, max(ZERO, self.free_cash(order.id))))
        self.orders.put(order) if left else self.orders.end(order, "filled")
        self._protect(order, quantity, paid)

    def leave(self, order: Order, price: float, *, slip: bool, flags: tuple[str, ...] = ()) -> int:
        """Fill a sale as far as shares and volume allow; returns the shares sold.

        An exit that is reached ends its entry, filled or not. Siblings of a bracket shrink with it, and no open sale
        is left that exceeds what is still held.
        """
        ticker = order.ticker
        entry = self.orders.get(order.parent or "")
        if entry is not None:
            self.orders.end(entry, "cancelled", f"{order.id} was reached")
        if order.type in ("stop", "trailing"):
            order = self.orders.put(replace(order, triggered=True))
        quantity = int(min(order.remaining, self.held(ticker), self.allowed_volume(ticker)))
        if quantity <= 0:
            return 0
        got = usd(slipped(SELL, price, self.rules.costs.slippage_bps) if slip else price)
        self.book_sale(order, quantity, got, flags)
        return quantity

    def book_sale(self, order: Order, quantity: int, got: Decimal, flags: tuple[str, ...] = ()) -> None:
        """Write shares that were sold for `got` dollars each; siblings of its bracket shrink."""
        ticker = order.ticker
        fill = self._fill(order, quantity, got, flags)
        proceeds = usd(got * quantity) - self.fee(got, quantity)
        profit = self.keeper.sell(
            self.moment.time, ticker, quantity, proceeds, self.moment.settles_on, fill.id
        )
        order = replace(order, filled=order.filled + quantity, cost=order.cost + got * quantity)
        self.orders.put(order) if order.remaining else self.orders.end(order, "filled")
        if profit < 0 and self.rules.limits.cooldown:
            self.cooling[ticker] = self.moment.session_after(self.rules.limits.cooldown + 1)
        if order.role in STOP_ROLES or order.type in ("stop", "stop_limit", "trailing"):
            self.stop_exits.append(self.moment.session)
        if order.parent:
            self.orders.shrink_siblings(order, quantity)
        self.orders.fit_exits(ticker, self.held(ticker))

    def _fill(self, order: Order, quantity: int, price: Decimal, flags: tuple[str, ...]) -> Fill:
        time = self.moment.time
        sequence = sum(1 for fill in self.fills if fill.order == order.id)
        name = sha256(f"{order.id}|{time.isoformat()}|{sequence}".encode()).hexdigest()[:32]
        fee = self.fee(price, quantity)
        if order.ticker in self.replayed:
            flags = (*flags, "replayed")
        fill = Fill(name, order.id, order.ticker, order.side, quantity, price, fee, time, sequence, flags)
        self.fills.append(fill)
        self.traded[order.ticker] = self.traded.get(order.ticker, 0) + quantity
        self.prices[order.ticker] = price
        return fill

    def _protect(self, entry: Order, added: int, price: Decimal) -> None:
        """Put or move the exits of an entry after one of its fills."""
        if entry.protect is None:
            return
        for child in children(entry, added, price, self.moment, self.orders):
            known = self.orders.get(child.id)
            self.orders.put(child if known else replace(child, sequence=self.next_sequence()))

    def drop_baseless_sales(self) -> None:
        """Refuse sales that were placed against purchases which then did not come about."""
        for order in self.orders.of():
            if order.side == "sell":
                backed = self.held(order.ticker) + self.orders.coming(order.ticker)
                if not backed:
                    self.reject(order, f"no position: no {order.ticker} is held to sell")
                else:
                    self.orders.reduce(order, min(order.remaining, backed), "less is held")

    def settle_session(self, session: date) -> None:
        """The first moment of a session: pay what is due, forget yesterday's halts, remember the start."""
        self.keeper.settle(self.moment.time, session)
        self.day_start_equity = self.equity()
        self.peak_equity = max(self.peak_equity, self.day_start_equity)
        self.end_halts("daily_loss")
