"""An account between two bars, and what one bar did to it: values only, no rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from falcon_pipelines.trading.ledger import ZERO, Books, Entry
from falcon_pipelines.trading.orders import Costs, Fill, Halt, Order, Rejection
from falcon_pipelines.trading.risk import Limits


@dataclass(frozen=True)
class Rules:
    """What trading costs and what it may not do."""

    costs: Costs = field(default_factory=Costs)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class AccountState:
    """Books, open orders in order of arrival, last prices of what is held in dollars, what risk control remembers.

    `cooling` maps a ticker to the session from which it may be bought again; `stop_exits` are the sessions of
    recent stop exits; `held_by` says which strategy holds a ticker. `last_bars` are the times of the last bars
    of what is held or ordered: an older one of the same ticker is not worked through. `lived` names the
    corporate actions that were lived through lately. `sectors` are those of what is held, where they are known.
    """

    name: str
    books: Books = field(default_factory=Books)
    orders: Mapping[str, Order] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    halts: tuple[Halt, ...] = ()
    session: date | None = None
    day_start_equity: Decimal = ZERO
    peak_equity: Decimal = ZERO
    sequence: int = 0
    cooling: Mapping[str, date] = field(default_factory=dict)
    stop_exits: tuple[date, ...] = ()
    held_by: Mapping[str, str] = field(default_factory=dict)
    last_bars: Mapping[str, datetime] = field(default_factory=dict)
    lived: tuple[str, ...] = ()
    sectors: Mapping[str, str] = field(default_factory=dict)

    @property
    def equity(self) -> Decimal:
        """Cash, receivables and positions at their last known prices, in dollars."""
        return equity(self.books, self.prices)

    def tickers(self) -> set[str]:
        """What is held or has open orders: the bars that matter."""
        return set(self.books.lots) | {order.ticker for order in self.orders.values()}


@dataclass(frozen=True)
class Outcome:
    """The account after a bar and what happened on it, in order.

    `orders` holds the last form of each changed.
    """

    state: AccountState
    orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    entries: tuple[Entry, ...] = ()
    ended_halts: tuple[Halt, ...] = ()


def market_value(books: Books, prices: Mapping[str, Decimal]) -> Decimal:
    """Positions at the given prices, in dollars."""
    return sum((books.quantity(ticker) * prices[ticker] for ticker in books.lots), ZERO)


def equity(books: Books, prices: Mapping[str, Decimal]) -> Decimal:
    """Settled and unsettled cash, receivables and the market value of all positions."""
    return books.cash + books.receivable + market_value(books, prices)
