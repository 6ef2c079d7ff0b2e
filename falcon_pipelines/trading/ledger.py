"""The books of one account: double entries, and what follows from them. Writing them is `bookkeeper`.

Ledgers are signed with assets positive: `cash` (settled), `unsettled` (sale proceeds until they settle),
`securities` (at cost, fees of the purchase included), `receivable` (dividends until paid) against `capital`,
`realised` and `dividends`, where a gain is negative. The amounts of every entry sum to zero. Amounts, prices
and quantities have six decimals, rounded half to even.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from falcon_pipelines.trading.errors import BooksDoNotBalance
from falcon_pipelines.trading.orders import usd

LedgerName = Literal["cash", "unsettled", "securities", "receivable", "capital", "realised", "dividends"]
EntryKind = Literal[
    "deposit", "buy", "sell", "settlement", "split", "cash_in_lieu", "dividend", "payment", "delisting"
]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of an entry; `quantity` is the change in shares on a securities leg."""

    ledger: LedgerName
    amount: Decimal
    ticker: str | None = None
    quantity: Decimal | None = None
    settles_on: date | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What one event did to the books; its amounts sum to zero."""

    number: int
    kind: EntryKind
    booked_at: datetime
    legs: tuple[Leg, ...]
    fill: str | None = None


@dataclass(frozen=True, slots=True)
class Lot:
    """Shares bought together; `cost` is in dollars for all of them."""

    opened_at: datetime
    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Claim:
    """Money that becomes cash on a session: sale proceeds, or a dividend."""

    due: date
    amount: Decimal
    ticker: str | None = None


@dataclass(frozen=True)
class Books:
    """Balances, open lots (oldest first) and claims after some entries.

    `book` gives the books after one more.
    """

    balances: dict[LedgerName, Decimal] = field(default_factory=dict)
    lots: dict[str, tuple[Lot, ...]] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    receivables: tuple[Claim, ...] = ()
    entries: int = 0

    def balance(self, ledger: LedgerName) -> Decimal:
        return self.balances.get(ledger, ZERO)

    @property
    def cash(self) -> Decimal:
        """Settled and unsettled cash: what purchases may be paid from."""
        return self.balance("cash") + self.balance("unsettled")

    @property
    def settled_cash(self) -> Decimal:
        return self.balance("cash")

    @property
    def receivable(self) -> Decimal:
        return self.balance("receivable")

    @property
    def realised(self) -> Decimal:
        """Profit of closed lots, first in first out, net of the fees on both sides; dividends are apart."""
        return -self.balance("realised")

    @property
    def dividends(self) -> Decimal:
        return -self.balance("dividends")

    def quantity(self, ticker: str) -> int:
        """Whole shares held."""
        return int(sum((lot.quantity for lot in self.lots.get(ticker, ())), ZERO))

    def cost(self, ticker: str) -> Decimal:
        """Dollars paid for the shares held."""
        return sum((lot.cost for lot in self.lots.get(ticker, ())), ZERO)

    def book(self, entry: Entry) -> "Books":
        """The books after `entry`. Raises BooksDoNotBalance."""
        total = sum((leg.amount for leg in entry.legs), ZERO)
        if total != 0:
            raise BooksDoNotBalance(f"entry {entry.number} ({entry.kind}) is off by {total} dollars")
        balances, lots = dict(self.balances), dict(self.lots)
        claims, receivables = self.claims, self.receivables
        for leg in entry.legs:
            balances[leg.ledger] = balances.get(leg.ledger, ZERO) + leg.amount
            if leg.ledger == "securities" and leg.ticker is not None:
                _move_lots(lots, leg, entry)
            elif leg.ledger == "unsettled" and leg.settles_on is not None:
                claims = _move_claims(claims, leg)
            elif leg.ledger == "receivable" and leg.settles_on is not None:
                receivables = _move_claims(receivables, leg)
        return Books(balances, lots, claims, receivables, self.entries + 1)


def _move_lots(lots: dict[str, tuple[Lot, ...]], leg: Leg, entry: Entry) -> None:
    assert leg.ticker is not None
    quantity = leg.quantity or ZERO
    held = lots.get(leg.ticker, ())
    if entry.kind == "split":
        held = _split_lots(held, quantity)
    elif quantity > 0:
        held = (*held, Lot(entry.booked_at, quantity, leg.amount))
    else:
        held, _ = take_lots(held, -quantity)
    if held:
        lots[leg.ticker] = held
    else:
        lots.pop(leg.ticker, None)


def _move_claims(claims: tuple[Claim, ...], leg: Leg) -> tuple[Claim, ...]:
    assert leg.settles_on is not None
    if leg.amount > 0:
        return (*claims, Claim(leg.settles_on, leg.amount, leg.ticker))
    left, kept = -leg.amount, []
    for claim in claims:
        used = min(left, claim.amount) if claim.due == leg.settles_on and claim.ticker == leg.ticker else ZERO
        left -= used
        if claim.amount > used:
            kept.append(replace(claim, amount=claim.amount - used))
    if left:
        raise BooksDoNotBalance(f"{left} dollars more are paid out than were due on {leg.settles_on}")
    return tuple(kept)


def take_lots(lots: Sequence[Lot], quantity: Decimal) -> tuple[tuple[Lot, ...], Decimal]:
    """The lots left after giving `quantity` shares away, oldest first, and what those had cost."""
    left, cost, kept = quantity, ZERO, []
    for lot in lots:
        taken = min(left, lot.quantity)
        share = lot.cost if taken == lot.quantity else usd(lot.cost * taken / lot.quantity)
        left -= taken
        cost += share
        if lot.quantity > taken:
            kept.append(replace(lot, quantity=lot.quantity - taken, cost=lot.cost - share))
    if left:
        raise BooksDoNotBalance(f"{left} more shares are given away than are held")
    return tuple(kept), cost


def _split_lots(lots: Sequence[Lot], change: Decimal) -> tuple[Lot, ...]:
    before = sum((lot.quantity for lot in lots), ZERO)
    after = before + change
    scaled = [usd(lot.quantity * after / before) for lot in lots]
    scaled[-1] += after - sum(scaled, ZERO)
    return tuple(replace(lot, quantity=q) for lot, q in zip(lots, scaled, strict=True))


def rebuild(entries: Iterable[Entry]) -> Books:
    """The books that follow from all entries, in order of their number. Raises BooksDoNotBalance."""
    books = Books()
    for entry in entries:
        books = books.book(entry)
    return books


def check_books(books: Books) -> None:
    """Prove what must always hold. Raises BooksDoNotBalance naming the first thing that does not.

    All balances sum to zero; cash, unsettled proceeds and receivables are not negative and equal to their
    claims; shares are whole and positive; the securities' balance is the cost of the lots.
    """
    total = sum(books.balances.values(), ZERO)
    if total:
        raise BooksDoNotBalance(f"all balances together are {total} dollars instead of 0")
    for name in ("cash", "unsettled", "receivable"):
        if books.balance(name) < 0:
            raise BooksDoNotBalance(f"{name} is {books.balance(name)} dollars")
    if books.balance("unsettled") != sum((claim.amount for claim in books.claims), ZERO):
        raise BooksDoNotBalance("unsettled cash is not the sum of its claims")
    if books.receivable != sum((claim.amount for claim in books.receivables), ZERO):
        raise BooksDoNotBalance("receivables are not the sum of their claims")
    for ticker, lots in books.lots.items():
        held = sum((lot.quantity for lot in lots), ZERO)
        if held <= 0 or held % 1 or any(lot.quantity <= 0 for lot in lots):
            raise BooksDoNotBalance(f"{ticker}: {held} shares are held")
    if books.balance("securities") != sum((books.cost(ticker) for ticker in books.lots), ZERO):
        raise BooksDoNotBalance("securities are not the cost of the open lots")
