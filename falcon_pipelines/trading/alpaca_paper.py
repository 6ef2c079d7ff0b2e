"""A broker that fills elsewhere: orders go to an Alpaca paper account, its fills come back into our ledger.

What is wanted is written down before it is sent, under the client order id that makes sending it twice harmless;
what Alpaca did is read from its orders and booked once, because the ledger remembers how much of each is booked.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from alpaca.trading.client import TradingClient
from alpaca.trading.models import Order as TheirOrder
from sqlalchemy import Engine, select

from falcon_pipelines.db import models
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.trading.account import AccountState, Outcome
from falcon_pipelines.trading.alpaca_books import accept, book
from falcon_pipelines.trading.alpaca_gateway import Gateway, Refused
from falcon_pipelines.trading.alpaca_orders import AlpacaUnavailable, request_for, tick, value
from falcon_pipelines.trading.alpaca_protection import (
    Family,
    request_for_stand_in,
    stand_in_name,
    stand_ins,
    tightest_stop,
)
from falcon_pipelines.trading.brackets import children
from falcon_pipelines.trading.brokers import PaperLedger
from falcon_pipelines.trading.engine import begin_session, judge
from falcon_pipelines.trading.matching import complete
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Action, Bar, Input, Order, OrderRequest, usd
from falcon_pipelines.trading.saving import save
from falcon_pipelines.trading.store import pending, stored_books
from falcon_pipelines.trading.submitted import concerned
from falcon_pipelines.trading.turn import Turn
from falcon_pipelines.trading.writer import Record


class AlpacaPaper(PaperLedger):
    """One ledger account whose orders an Alpaca paper account fills. Several may share that paper account."""

    def __init__(
        self, engine: Engine, account_id: int, client: TradingClient, sectors: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(engine, account_id, sectors)
        self.alpaca = Gateway(client)

    def start(self) -> tuple[str, ...]:
        """Book what was filled meanwhile, then compare the books and the positions at Alpaca."""
        problems = super().start()
        if problems:
            return problems
        now = datetime.now(UTC)
        try:
            self._sync(Moment(now, now, self.account.state.session or now.date()), None)
            theirs = self.alpaca.positions()
        except AlpacaUnavailable as error:
            return (str(error),)
        ours = self._all_positions()
        return tuple(
            f"{ticker}: Alpaca holds {theirs.get(ticker, 0)}, the ledger {ours.get(ticker, 0)}"
            for ticker in sorted(theirs.keys() | ours.keys())
            if theirs.get(ticker, 0) != ours.get(ticker, 0)
        )

    def _all_positions(self) -> dict[str, int]:
        held: dict[str, int] = {}
        with transaction(self.engine) as session:
            query = select(models.Account.id).where(
                models.Account.broker == "alpaca", models.Account.closed_at.is_(None)
            )
            for account_id in session.scalars(query).all():
                books = stored_books(session, account_id)
                for ticker in books.lots:
                    held[ticker] = held.get(ticker, 0) + books.quantity(ticker)
        return held

    def work_live(
        self,
        moment: Moment,
        bars: Mapping[str, Bar],
        highest: int,
        done_up_to: int,
        *,
        replayed: Collection[str] = (),
        record: Record | None = None,
    ) -> Outcome | None:
        """Judge submitted orders at the bars' prices, move stops, send, and book what was filled."""
        with transaction(self.engine) as session:
            before = self._locked(session)
            if before.live_sequence is None or highest <= before.live_sequence:
                return None
            reached = max(before.live_sequence, done_up_to)
            orders = pending(session, self.account_id, moment.starts)
            known = before.state.tickers() | {order.ticker for order in orders}
            turn = Turn(
                before.state,
                moment,
                {ticker: bar for ticker, bar in bars.items() if ticker in known},
                before.rules,
            )
            if before.state.session is None or before.state.session < moment.session:
                begin_session(turn)
            for order in orders:
                accept(turn, order)
            complete(turn, {})
            judge(turn)
            outcome = turn.outcome()
            cursor = max(moment.time, before.cursor or moment.time)
            save(
                *(session, self.account_id, moment, before.state, outcome, set(turn.bars), None),
                cursor=cursor,
                live_sequence=reached,
            )
            if record is not None:
                record(session, before.state, outcome)
        self._known = replace(before, state=outcome.state, cursor=cursor, live_sequence=reached)
        filled = self._sync(moment, record)
        return outcome if filled is None else _together(outcome, filled)

    def _concerned(self, submitted: Sequence[OrderRequest], told: Sequence[Input]) -> Sequence[OrderRequest]:
        """What commands are about: else an order enters the books with the price it is sized and sent at."""
        return concerned(submitted, [item for item in told if not isinstance(item, Action)])

    def act(
        self,
        moment: Moment,
        inputs: Mapping[str, Input] | None = None,
        *,
        record: Record | None = None,
        asked_before: datetime | None = None,
    ) -> Outcome | None:
        """Obey commands in the ledger, then make Alpaca's orders follow."""
        outcome = super().act(moment, inputs, record=record, asked_before=asked_before)
        if outcome is None:
            return None
        ended = {order.parent for order in outcome.orders if order.parent and order.status == "cancelled"}
        filled = self._sync(moment, record, ended)
        return outcome if filled is None else _together(outcome, filled)

    def _sync(self, moment: Moment, record: Record | None, ended: Collection[str] = ()) -> Outcome | None:
        """Make Alpaca's orders what ours are, and our fills what Alpaca's are; of `ended` entries, exits were cancelled."""
        theirs = self._families(self.account.state, ended)
        outcome = self._book(theirs, moment, record)
        released = self._send(theirs, moment, record)
        released |= self._follow(theirs)
        if released:
            theirs = self._families(self.account.state)
            more = self._book(theirs, moment, record)
            outcome = _together(outcome, more) if outcome and more else outcome or more
        self._protect(theirs, moment, record)
        return outcome

    def _families(self, state: AccountState, also: Collection[str] = ()) -> dict[str, Family]:
        """Alpaca's form of each of our open orders and of the entries of open exits, by our id."""
        wanted = {order.parent or order.id for order in state.orders.values()}
        wanted |= {order.id for order in state.orders.values() if order.role == "time"}
        found = {name: self._family(name) for name in sorted(wanted.union(also))}
        return {name: family for name, family in found.items() if family is not None}

    def _family(self, name: str) -> Family | None:
        entry = self.alpaca.family(name)
        if entry is None:
            return None
        again: list[TheirOrder] = []
        if value(entry.side) == "buy" and entry.filled_avg_price is not None:
            while (order := self.alpaca.family(stand_in_name(name, len(again) + 1))) is not None:
                again.append(order)
        return Family(entry, tuple(again))

    def _book(self, theirs: Mapping[str, Family], moment: Moment, record: Record | None) -> Outcome | None:
        with transaction(self.engine) as session:
            before = self._locked(session)
            turn = Turn(before.state, moment, {}, before.rules)
            changed = book(turn, theirs)
            if not changed:
                return None
            outcome = turn.outcome()
            save(
                *(
                    session,
                    self.account_id,
                    moment,
                    before.state,
                    outcome,
                    {f.ticker for f in outcome.fills},
                    None,
                ),
                cursor=before.cursor,
                live_sequence=before.live_sequence,
            )
            if record is not None:
                record(session, before.state, outcome)
        self._known = replace(before, state=outcome.state)
        return outcome

    def _send(self, theirs: Mapping[str, Family], moment: Moment, record: Record | None) -> bool:
        """Send what is not there; whether protective orders were cancelled for a sale."""
        released = False
        resting = self.account.state.orders.values()
        for order in sorted(resting, key=lambda o: (o.side != "sell", o.sequence)):
            if order.id in theirs or not _sendable(order, moment):
                continue
            if order.side == "sell":
                self.alpaca.release(order.ticker)
                self._submit(request_for(order), order.id, record)
                released = True
            else:
                self._submit(request_for(order, _first_children(order, moment)), order.id, record)
        return released

    def _follow(self, theirs: Mapping[str, Family]) -> bool:
        """Cancel what is no longer wanted, move stops and targets; whether a leg was cancelled, others perhaps with it."""
        state, cancelled = self.account.state, False
        for sent in self.alpaca.open_orders():
            if sent.client_order_id not in state.orders and self._was_ours(sent.client_order_id):
                self.alpaca.cancel(sent)
        for name, family in theirs.items():
            stop, target = tightest_stop(state.orders, name), state.orders.get(f"{name}.target")
            for leg in family.living:
                ours = target if leg.stop_price is None else stop
                if ours is None and name not in state.orders:
                    self.alpaca.cancel(leg)
                    cancelled = True
                elif leg.stop_price is not None and ours is not None and ours.stop is not None:
                    self.alpaca.move(leg, "stop_price", float(leg.stop_price), tick(ours.stop))
                elif leg.limit_price is not None and ours is not None and ours.limit is not None:
                    self.alpaca.move(leg, "limit_price", float(leg.limit_price), tick(ours.limit))
        return cancelled

    def _protect(self, theirs: Mapping[str, Family], moment: Moment, record: Record | None) -> None:
        """Send exits that rest in our books alone, as after a sale that took their shares and was refused."""
        state = self.account.state
        if not any(order.parent for order in state.orders.values()):
            return
        open_ids = {str(order.id) for order in self.alpaca.open_orders()}
        sales = [o.id for o in state.orders.values() if o.side == "sell" and _sendable(o, moment)]
        for bare in stand_ins(state, theirs, open_ids, sales):
            with transaction(self.engine) as session:
                title = f"{bare.ticker}: protected again at Alpaca"
                body = f"{state.name}: the exits of {bare.quantity:,} shares were gone there; {bare.levels} sent anew"
                notify(session, f"protect:{bare.name}", "stop", title, body)
            self._submit(request_for_stand_in(bare), bare.name, record)

    def _submit(self, request: Any, name: str, record: Record | None) -> None:
        try:
            self.alpaca.submit(request)
        except Refused as error:
            self._refuse(name, f"Alpaca refused it: {error}", record)

    def _refuse(self, name: str, reason: str, record: Record | None) -> None:
        """What Alpaca will not take is refused in the ledger too."""
        with transaction(self.engine) as session:
            before = self._locked(session)
            now = datetime.now(UTC)
            moment = Moment(now, now, before.state.session or now.date())
            turn = Turn(before.state, moment, {}, before.rules)
            order = before.state.orders.get(name)
            if order is None:
                turn.refuse(name, reason)
            elif order.role == "time":  # exits always run: again at the next session
                turn.refuse(name, reason)
                turn.orders.put(replace(order, due=moment.session_after(1), bars_left=None))
            else:
                turn.reject(order, reason)
            outcome = turn.outcome()
            save(
                *(session, self.account_id, moment, before.state, outcome, set(), None),
                cursor=before.cursor,
                live_sequence=before.live_sequence,
            )
            if record is not None:
                record(session, before.state, outcome)
        self._known = replace(before, state=outcome.state)

    def _was_ours(self, name: str) -> bool:
        with transaction(self.engine) as session:
            row = session.get(models.Order, name)
            return row is not None and row.account_id == self.account_id and row.status != "submitted"


def _sendable(order: Order, moment: Moment) -> bool:
    if order.role == "order" and not order.parent:
        return True
    due = order.due is not None and order.due <= moment.session
    return order.role == "time" and (due or (order.bars_left is not None and order.bars_left <= 0))


def _first_children(order: Order, moment: Moment) -> list[Order]:
    """The exits that an entry would have at the price it was accepted at: what its bracket is sent with."""
    if order.protect is None:
        return []
    price = usd(order.reserve / order.quantity)
    filled = replace(order, filled=order.quantity, cost=price * order.quantity)
    return children(filled, order.quantity, price, moment, {})


def _together(first: Outcome, then: Outcome) -> Outcome:
    return Outcome(
        then.state,
        (*first.orders, *then.orders),
        (*first.fills, *then.fills),
        (*first.rejections, *then.rejections),
        (*first.entries, *then.entries),
        (*first.ended_halts, *then.ended_halts),
    )
