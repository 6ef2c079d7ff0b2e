"""What each event does to the books of an account, as entries: which ledgers, how much. Knows no orders and no bars."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from falcon_pipelines.trading.errors import BooksDoNotBalance
from falcon_pipelines.trading.ledger import ZERO, Books, Entry, EntryKind, Leg, take_lots
from falcon_pipelines.trading.orders import usd


class Bookkeeper:
    """Keeps the books and the entries of one bar."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.entries: list[Entry] = []

    def _write(self, kind: EntryKind, at: datetime, legs: Iterable[Leg], fill: str | None = None) -> None:
        entry = Entry(self.books.entries, kind, at, tuple(legs), fill)
        self.books = self.books.book(entry)
        self.entries.append(entry)

    def deposit(self, at: datetime, amount: Decimal) -> None:
        """The account's starting cash."""
        self._write("deposit", at, (Leg("cash", amount), Leg("capital", -amount)))

    def buy(self, at: datetime, ticker: str, quantity: int, cost: Decimal, fill: str) -> None:
        """Shares for `cost` dollars, fee included; settled cash is used first, then the oldest proceeds."""
        if cost > self.books.cash:
            raise BooksDoNotBalance(f"{cost} dollars are to be paid from {self.books.cash}")
        legs = [Leg("securities", cost, ticker, Decimal(quantity))]
        settled = min(cost, self.books.settled_cash)
        if settled:
            legs.append(Leg("cash", -settled))
        left = cost - settled
        for claim in self.books.claims:
            used = min(left, claim.amount)
            if used:
                legs.append(Leg("unsettled", -used, settles_on=claim.due))
                left -= used
        self._write("buy", at, legs, fill)

    def sell(
        self, at: datetime, ticker: str, quantity: int, proceeds: Decimal, settles_on: date, fill: str
    ) -> Decimal:
        """Shares for `proceeds` dollars after the fee, oldest lots first; returns the profit."""
        _, cost = take_lots(self.books.lots.get(ticker, ()), Decimal(quantity))
        legs = [
            Leg("unsettled", proceeds, settles_on=settles_on),
            Leg("securities", -cost, ticker, -Decimal(quantity)),
            Leg("realised", cost - proceeds, ticker),
        ]
        self._write("sell", at, [leg for leg in legs if leg.amount or leg.quantity], fill)
        return proceeds - cost

    def delist(self, at: datetime, ticker: str, per_share: Decimal, settles_on: date) -> None:
        """All shares are exchanged for `per_share` dollars each, which may be 0."""
        quantity = self.books.quantity(ticker)
        paid, cost = usd(per_share * quantity), self.books.cost(ticker)
        legs = [
            Leg("unsettled", paid, settles_on=settles_on),
            Leg("securities", -cost, ticker, -Decimal(quantity)),
            Leg("realised", cost - paid, ticker),
        ]
        self._write("delisting", at, [leg for leg in legs if leg.amount or leg.quantity])

    def settle(self, at: datetime, session: date) -> None:
        """Proceeds due by `session` become settled cash, dividends payable by then are paid."""
        for claim in [claim for claim in self.books.claims if claim.due <= session]:
            legs = (Leg("cash", claim.amount), Leg("unsettled", -claim.amount, settles_on=claim.due))
            self._write("settlement", at, legs)
        for claim in [claim for claim in self.books.receivables if claim.due <= session]:
            paid = Leg("receivable", -claim.amount, claim.ticker, settles_on=claim.due)
            self._write("payment", at, (Leg("cash", claim.amount), paid))

    def split(self, at: datetime, ticker: str, ratio: Fraction, reference: Decimal, settles_on: date) -> int:
        """`ratio` shares for each; fractions are sold at `reference` dollars.

        Returns the whole shares held.
        """
        before = sum((lot.quantity for lot in self.books.lots.get(ticker, ())), ZERO)
        after = before * ratio.numerator / ratio.denominator
        whole = Decimal(Fraction(before) * ratio // 1)
        after = max(usd(after), whole)
        self._write("split", at, (Leg("securities", ZERO, ticker, after - before),))
        fraction = after - whole
        if fraction:
            _, cost = take_lots(self.books.lots[ticker], fraction)
            paid = usd(fraction * reference)
            legs = [
                Leg("unsettled", paid, settles_on=settles_on),
                Leg("securities", -cost, ticker, -fraction),
                Leg("realised", cost - paid, ticker),
            ]
            self._write("cash_in_lieu", at, [leg for leg in legs if leg.amount or leg.quantity])
        return int(whole)

    def dividend(self, at: datetime, ticker: str, per_share: Decimal, pay: date) -> None:
        """A claim on the ex-date for every share held."""
        amount = usd(per_share * self.books.quantity(ticker))
        if amount:
            legs = (Leg("receivable", amount, ticker, settles_on=pay), Leg("dividends", -amount, ticker))
            self._write("dividend", at, legs)
