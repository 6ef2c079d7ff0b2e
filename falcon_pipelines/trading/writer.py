"""The one writer of a paper account: it works through bars, each in one transaction, each once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.account import AccountState, Outcome
from falcon_pipelines.trading.commands import answer_commands, pending_commands
from falcon_pipelines.trading.engine import act, step
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Action, Bar, Input, OrderRequest
from falcon_pipelines.trading.saving import save
from falcon_pipelines.trading.store import (
    AccountClosed,
    StoredAccount,
    find_account,
    halts_of,
    pending,
    stored,
    submit,
)
from falcon_pipelines.trading.submitted import concerned

KEPT_ACTIONS = 200
Decide = Callable[[AccountState], Sequence[OrderRequest]]
Record = Callable[[Session, AccountState, Outcome], None]
"""What else is written in the transaction of a bar: from the account before it and what came of it."""


class Trader:
    """The one writer of an account.

    Keeps the state between bars and reads it again when someone else wrote. `sectors` are those of today, by
    ticker, for accounts whose rules limit them.
    """

    def __init__(self, engine: Engine, account_id: int, sectors: Mapping[str, str] | None = None) -> None:
        self.engine = engine
        self.account_id = account_id
        self._sectors = sectors
        self._known: StoredAccount | None = None

    @property
    def account(self) -> StoredAccount:
        """The account as of now."""
        with transaction(self.engine) as session:
            return self._locked(session)

    def _locked(self, session: Session) -> StoredAccount:
        row = find_account(session, self.account_id, lock=True)
        if row.closed_at is not None:
            raise AccountClosed(f"account {row.name}: was closed on {row.closed_at:%Y-%m-%d}; open a new one")
        known = self._known
        if known is None or (known.cursor, known.live_sequence) != (row.cursor, row.live_sequence):
            known = stored(session, row)
            if self._sectors is not None:
                limits = replace(known.rules.limits, sectors=self._sectors)
                known = replace(known, rules=replace(known.rules, limits=limits))
        else:  # reconciliation may have halted the account in the meantime
            known = replace(known, state=replace(known.state, halts=halts_of(session, self.account_id)))
        self._known = known
        return known

    def work(
        self,
        moment: Moment,
        bars: Mapping[str, Bar],
        inputs: Sequence[Input] = (),
        *,
        decide: Decide | None = None,
        benchmark: Decimal | None = None,
    ) -> Outcome | None:
        """Work through the bars of one time in one transaction; None where that was done before.

        Acts on `inputs` (corporate actions, commands) and then on the submitted orders that are due. The
        orders that `decide` makes of the new state are submitted in the same transaction.
        """
        with transaction(self.engine) as session:
            before = self._locked(session)
            if before.cursor is not None and moment.time <= before.cursor:
                return None
            commands = pending_commands(session, self.account_id)
            orders = pending(session, self.account_id, moment.starts)
            told = concerned(orders, commands.values())
            due = [*inputs, *told, *commands.values(), *(order for order in orders if order not in told)]
            outcome = step(before.state, moment, due, bars, before.rules)
            save(
                session,
                self.account_id,
                moment,
                before.state,
                outcome,
                set(bars),
                benchmark,
                cursor=moment.time,
            )
            answer_commands(session, commands, outcome, moment)
            if decide is not None:
                submit(session, self.account_id, decide(outcome.state))
        self._known = replace(before, state=outcome.state, cursor=moment.time)
        return outcome

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
        """Work through bars of one time; None where that was done before.

        `highest` is the sequence of the last of them, `done_up_to` that up to which all are then done with. Bars of
        other tickers and the same or an earlier time may come later: each ticker's own bars count once, in order.
        Fills of the tickers in `replayed` are flagged so.
        """
        with transaction(self.engine) as session:
            before = self._locked(session)
            if before.live_sequence is None or highest <= before.live_sequence:
                return None
            reached = max(before.live_sequence, done_up_to)
            orders = pending(session, self.account_id, moment.starts)
            wanted = before.state.tickers() | {order.ticker for order in orders}
            held = {ticker: bar for ticker, bar in bars.items() if ticker in wanted}
            outcome = step(before.state, moment, orders, held, before.rules, replayed)
            cursor = max(moment.time, before.cursor or moment.time)
            save(
                *(session, self.account_id, moment, before.state, outcome, set(held), None),
                cursor=cursor,
                live_sequence=reached,
            )
            if record is not None:
                record(session, before.state, outcome)
        self._known = replace(before, state=outcome.state, cursor=cursor, live_sequence=reached)
        return outcome

    def pass_over(self, sequence: int) -> None:
        """Say that live bars up to `sequence` are done with, because none of them could matter."""
        with transaction(self.engine) as session:
            before = self._locked(session)
            if before.live_sequence is None or sequence <= before.live_sequence:
                return
            session.execute(
                update(models.Account)
                .where(models.Account.id == self.account_id)
                .values(live_sequence=sequence)
            )
        self._known = replace(before, live_sequence=sequence)

    def _concerned(self, submitted: Sequence[OrderRequest], told: Sequence[Input]) -> Sequence[OrderRequest]:
        """Those of the submitted orders that have to be in the books before what is `told` is done."""
        return concerned(submitted, told)

    def act(
        self,
        moment: Moment,
        inputs: Mapping[str, Input] | None = None,
        *,
        record: Record | None = None,
        asked_before: datetime | None = None,
    ) -> Outcome | None:
        """Do what needs no bar: waiting commands, and corporate actions before the open; None without any.

        With `asked_before` later commands still wait. The names of `inputs` say which corporate action each is, so
        that none is lived through twice. Submitted orders that no bar has met yet are cancelled and split like those
        that rest in the books.
        """
        with transaction(self.engine) as session:
            before = self._locked(session)
            commands = pending_commands(session, self.account_id, asked_before)
            due = {name: item for name, item in (inputs or {}).items() if name not in before.state.lived}
            if not commands and not due:
                return None
            actions = [name for name, item in due.items() if isinstance(item, Action)]
            lived = (*before.state.lived, *actions)[-KEPT_ACTIONS:]
            state = replace(before.state, lived=lived)
            told = [*due.values(), *commands.values()]
            waiting = self._concerned(pending(session, self.account_id), told)
            outcome = act(state, moment, [*waiting, *told], before.rules)
            save(
                *(session, self.account_id, moment, before.state, outcome, set(), None),
                cursor=before.cursor,
                live_sequence=before.live_sequence,
            )
            answer_commands(session, commands, outcome, moment)
            if record is not None:
                record(session, before.state, outcome)
        self._known = replace(before, state=outcome.state)
        return outcome
