"""Today's candidates on live bars: each becomes an order in the account of its strategy, or a skipped trade."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import Order, SkippedTrade
from falcon_pipelines.trading.account import AccountState, Outcome
from falcon_pipelines.trading.live.candidates import (
    Candidate,
    Refusal,
    candidate_key,
    entry_refusal,
    in_range,
    open_candidates,
    order_for,
    skipped_row,
)
from falcon_pipelines.trading.live.facts import FactBook
from falcon_pipelines.trading.live.routing import Routing, route
from falcon_pipelines.trading.live.spec_desk import SpecDesk
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Bar, CancelRequest, OrderRequest

ACCOUNT = "candidates"
"""The account of all strategies of the routing file."""


@dataclass(frozen=True)
class Decision:
    """What became of a candidate: an order for the account named, or a refusal."""

    candidate: Candidate
    account: str
    strategy: str | None
    order: OrderRequest | None = None
    refusal: Refusal | None = None


class CandidateDesk:
    """Decides on candidates; remembers none but those it is still waiting with."""

    def __init__(self, routing: Routing, book: FactBook) -> None:
        self.routing = routing
        self.book = book
        self.waiting: dict[str, list[Candidate]] = {}

    def refresh(self, session: Session, now: datetime) -> None:
        """Read the candidates that are neither ordered nor skipped."""
        found = open_candidates(session, now)
        ids = [candidate.order_id for candidate in found]
        ordered = set(session.scalars(select(Order.id).where(Order.id.in_(ids))))
        self.waiting = {}
        for candidate in found:
            if candidate.order_id not in ordered:
                self.waiting.setdefault(candidate.ticker, []).append(candidate)

    def expired(self, now: datetime) -> list[Decision]:
        """Candidates that grew too old without a bar."""
        return [
            self._refused(candidate, refusal)
            for candidates in self.waiting.values()
            for candidate in candidates
            if (refusal := entry_refusal(candidate, float(candidate.close), now, self.routing.entry))
            is not None
            and refusal.rule == "age"
        ]

    def consider(
        self,
        bars: Mapping[str, Bar],
        at: datetime,
        states: Mapping[str, AccountState],
        desks: Mapping[str, tuple[str, SpecDesk]],
    ) -> list[Decision]:
        """What follows from completed bars whose time ended `at`, for the candidates that were known then.

        `states` are the accounts by name, `desks` the strategies on paper by name, each with its account's. A
        candidate whose price is outside its entry range waits.
        """
        made = []
        for ticker in bars.keys() & self.waiting.keys():
            for candidate in self.waiting[ticker]:
                decision = self._decide(candidate, bars[ticker].close, at, states, desks)
                if decision is not None:
                    made.append(decision)
        return made

    def forget(self, decisions: Sequence[Decision]) -> None:
        """What was decided on waits no more."""
        for decision in decisions:
            left = [c for c in self.waiting.get(decision.candidate.ticker, ()) if c != decision.candidate]
            self.waiting[decision.candidate.ticker] = left

    def _decide(
        self,
        candidate: Candidate,
        price: float,
        at: datetime,
        states: Mapping[str, AccountState],
        desks: Mapping[str, tuple[str, SpecDesk]],
    ) -> Decision | None:
        if candidate.screened_at > at:
            return None
        refusal = entry_refusal(candidate, price, at, self.routing.entry)
        if refusal is not None:
            return self._refused(candidate, refusal)
        if not in_range(candidate, price):
            return None
        ticker, facts = (
            candidate.ticker,
            self.book.facts(candidate.ticker, price, at.date(), candidate.sector),
        )
        found = route(self.routing, ticker, facts)
        if found.strategy is None:
            return self._refused(candidate, Refusal("routing", found.reason))
        own = self.routing.strategies.get(found.strategy)
        account, desk = (ACCOUNT, None) if own else desks.get(found.strategy, ("", None))
        if own is None and desk is None:
            reason = f"strategy {found.strategy} ({found.reason}) is not on paper: no verdict or no approval"
            return self._refused(candidate, Refusal("routing", reason), found.strategy)
        state = states.get(account)
        if state is None:
            return None
        if state.books.quantity(ticker) or any(o.ticker == ticker for o in state.orders.values()):
            refusal = Refusal("held", f"{ticker} is held or ordered already")
            return self._refused(candidate, refusal, found.strategy, account)
        if own is not None:
            order = order_for(candidate, found.strategy, own, facts.volatility, at)
        else:
            assert desk is not None
            order = desk.order_for(candidate, facts.volatility, at)
        if order.sizing and order.sizing.rule == "volatility_target" and facts.volatility is None:
            refusal = Refusal(
                "sizing", f"the volatility of {ticker} is not known, and its size depends on it"
            )
            return self._refused(candidate, refusal, found.strategy, account)
        return Decision(candidate, account, found.strategy, order=order)

    def _refused(
        self, candidate: Candidate, refusal: Refusal, strategy: str | None = None, account: str = ACCOUNT
    ) -> Decision:
        return Decision(candidate, account, strategy, refusal=refusal)


def skip(session: Session, rows: Sequence[Mapping[str, object]]) -> None:
    """Write skipped trades; the first reason of a candidate stays."""
    if rows:
        statement = insert(SkippedTrade).values([dict(row) for row in rows])
        session.execute(statement.on_conflict_do_nothing(index_elements=["session", "ticker"]))


def skip_unbought(session: Session, account_id: int, outcome: Outcome, at: datetime) -> None:
    """Candidates whose order ended without a share become skipped trades, with the order's reason."""
    ended = [
        order
        for order in outcome.orders
        if order.status in ("rejected", "cancelled")
        and not (order.filled or order.parent)
        and candidate_key(order.id) is not None
    ]
    if not ended:
        return
    known = {candidate.key: candidate for candidate in open_candidates(session, at)}
    for order in ended:
        candidate = known.get(candidate_key(order.id))  # type: ignore[arg-type]
        if candidate is not None:
            rule = "risk" if order.status == "rejected" else "cancelled"
            refusal = Refusal(rule, order.reason or order.status)
            skip(session, [skipped_row(candidate, refusal, at, order.strategy, account_id)])


def stale_orders(
    state: AccountState, submitted: Sequence[OrderRequest], moment: Moment
) -> dict[str, CancelRequest]:
    """Purchases of candidates from earlier sessions that found no bar: taken back before the open."""
    reason = "no bar came in its session"
    waiting = {o.id: o.submitted_at for o in state.orders.values() if not o.parent and not o.filled}
    waiting |= {request.id: request.at for request in submitted}
    return {
        f"expire:{name}": CancelRequest(f"expire:{name}", moment.time, name, reason)
        for name, at in waiting.items()
        if candidate_key(name) is not None and at < moment.starts
    }
