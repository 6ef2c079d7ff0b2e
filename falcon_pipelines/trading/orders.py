"""The words of trading: what can be asked of an account, and an order as it rests there.

Prices are US dollars per share, quantities whole shares, times UTC with zone. No matching and no money here.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Literal

Side = Literal["buy", "sell"]
OrderType = Literal["market", "limit", "stop", "stop_limit", "trailing"]
Status = Literal["open", "filled", "cancelled", "rejected"]
Role = Literal["order", "stop", "trail", "target", "partial", "time"]
CommandName = Literal["pause", "resume", "flatten", "acknowledge", "close"]
SizingRule = Literal["percent_of_equity", "risk_per_trade", "volatility_target", "fixed_shares"]


def usd(value: float | Decimal) -> Decimal:
    """A price or an amount at the ledger's six decimals, half to even."""
    return Decimal(f"{value:.6f}")


@dataclass(frozen=True, slots=True)
class PartialExit:
    """Sell `fraction` (0 to 1) of the position at a gain in percent, or in multiples of the initial risk."""

    fraction: float
    percent: float | None = None
    r_multiple: float | None = None


@dataclass(frozen=True, slots=True)
class Protection:
    """How a filled entry is protected; all levels follow from its average fill price unless absolute.

    `max_days` counts sessions and `max_bars` the ticker's bars, the entry's included; the exit is at the open
    of the bar after that many. `stop_distance` is in dollars, `target_r` and `breakeven_r` in multiples of
    the distance between fill and stop. With `target_first` a bar that reaches stop and target takes the
    target. An entry with `void_if_passed` is refused where its fill price is already at or beyond the stop.
    """

    stop: Decimal | None = None
    stop_pct: float | None = None
    stop_distance: float | None = None
    target: Decimal | None = None
    target_pct: float | None = None
    target_r: float | None = None
    trail_pct: float | None = None
    breakeven_pct: float | None = None
    breakeven_r: float | None = None
    max_days: int | None = None
    max_bars: int | None = None
    partial: tuple[PartialExit, ...] = ()
    void_if_passed: bool = False
    target_first: bool = False


@dataclass(frozen=True, slots=True)
class Sizing:
    """A quantity that is decided at the fill price: the rule, its amount, and the volatility it may need.

    `amount` is percent of equity (or shares, for fixed_shares); `volatility` is annualised, 0.2 for 20 %.
    What cash cannot pay for is cut off rather than refused.
    """

    rule: SizingRule
    amount: float
    volatility: float | None = None


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as asked for; acts on the first bar that starts at or after `at`.

    Exactly one of `quantity` and `sizing` is given; `sizing` is for market buys only. A sale that `closes` a
    position also cancels purchases of its ticker that are still open. `profile` names the screening profiles
    that picked it, separated by `+`.
    """

    id: str
    at: datetime
    ticker: str
    side: Side
    type: OrderType
    quantity: int | None = None
    limit: Decimal | None = None
    stop: Decimal | None = None
    trail_pct: float | None = None
    protect: Protection | None = None
    sizing: Sizing | None = None
    strategy: str | None = None
    profile: str | None = None
    closes: bool = False


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Take an open order back; `reason` is what the order says of it afterwards."""

    id: str
    at: datetime
    order: str
    reason: str = "cancelled"


@dataclass(frozen=True, slots=True)
class Command:
    """What an operator tells the account; each does the same when given twice. `ticker` is for `close`."""

    at: datetime
    command: CommandName
    ticker: str | None = None


@dataclass(frozen=True, slots=True)
class EditStop:
    """Move the stop of an open order."""

    id: str
    at: datetime
    order: str
    stop: Decimal


@dataclass(frozen=True, slots=True)
class Split:
    """`ratio` new shares for each old one, from the session of `at` on; 1/10 is a reverse split."""

    at: datetime
    ticker: str
    ratio: Fraction


@dataclass(frozen=True, slots=True)
class Dividend:
    """Dollars per share for who held at the close before the ex-date `at`, paid on the session of `pay`."""

    at: datetime
    ticker: str
    amount: Decimal
    pay: date


@dataclass(frozen=True, slots=True)
class Delisting:
    """A ticker stops trading; `amount` is what each share was paid in dollars, None while nobody has said.

    With an amount, 0 included, the position ends. Without one it stays, at its last price.
    """

    at: datetime
    ticker: str
    amount: Decimal | None = None


Request = OrderRequest | CancelRequest | Command | EditStop
Action = Split | Dividend | Delisting
Input = Request | Action


@dataclass(frozen=True, slots=True)
class Costs:
    """Basis points per side; slippage applies to market and stop fills."""

    fee_bps: float = 0.0
    slippage_bps: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """An order in the account; fills and splits make new values of it.

    `reserve` is the cash kept back for what is not yet filled. `best` is what a trailing stop trails: the
    best price of completed bars. `triggered` is a stop that was reached. `due` and `bars_left` schedule an
    exit; a completed bar that reaches `raise_at` moves the stop up to `raise_to` (breakeven). `cost` is the
    sum paid so far, for the average fill price. `sequence` is the order of arrival.
    """

    id: str
    ticker: str
    side: Side
    type: OrderType
    quantity: int
    submitted_at: datetime
    sequence: int
    filled: int = 0
    cost: Decimal = Decimal(0)
    limit: Decimal | None = None
    stop: Decimal | None = None
    trail_pct: float | None = None
    best: float | None = None
    triggered: bool = False
    reserve: Decimal = Decimal(0)
    role: Role = "order"
    parent: str | None = None
    protect: Protection | None = None
    sizing: Sizing | None = None
    due: date | None = None
    bars_left: int | None = None
    raise_at: Decimal | None = None
    raise_to: Decimal | None = None
    edited: bool = False
    strategy: str | None = None
    profile: str | None = None
    status: Status = "open"
    reason: str | None = None

    @property
    def remaining(self) -> int:
        """Shares still to be filled."""
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal:
        """Average price of the fills so far."""
        return self.cost / self.filled


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade at a price on one bar.

    `time` is the bar's timestamp; `sequence` counts an order's fills on it.
    """

    id: str
    order: str
    ticker: str
    side: Side
    quantity: int
    price: Decimal
    fee: Decimal
    time: datetime
    sequence: int
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an order, or what was left of it, or a cancellation, was refused."""

    order: str
    reason: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Halt:
    """A time in which no entry is made. Exits always run."""

    kind: Literal["paused", "daily_loss", "drawdown", "stop_guard", "reconciliation"]
    reason: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True)
class Bar:
    """One ticker's prices and volume (shares) over one bar."""

    open: float
    high: float
    low: float
    close: float
    volume: float
