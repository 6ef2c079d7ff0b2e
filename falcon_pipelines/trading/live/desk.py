"""The work of the trader, turn by turn: what arrived into fills, complete bars into orders. Knows no service."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import NEW_YORK, is_session, midnight, session_open_close
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import DatabaseUnavailable, transaction
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.errors import FalconError
from falcon_pipelines.trading.account import AccountState, Outcome
from falcon_pipelines.trading.brokers import Broker
from falcon_pipelines.trading.commands import accounts_with_commands
from falcon_pipelines.trading.errors import BooksDoNotBalance
from falcon_pipelines.trading.live.accounts import LiveAccount, live_accounts
from falcon_pipelines.trading.live.arrivals import Batch, batches, read_rows, rows_of_minute
from falcon_pipelines.trading.live.candidate_desk import (
    CandidateDesk,
    Decision,
    skip,
    skip_unbought,
    stale_orders,
)
from falcon_pipelines.trading.live.candidates import skipped_row
from falcon_pipelines.trading.live.market_time import MINUTE, MarketTime, traded_since
from falcon_pipelines.trading.live.metrics import Metrics
from falcon_pipelines.trading.live.notices import log_trades, tell
from falcon_pipelines.trading.live.spec_desk import SpecDesk
from falcon_pipelines.trading.live.worker import Worker, watched
from falcon_pipelines.trading.lived_actions import due_actions
from falcon_pipelines.trading.moments import Moment, moment_of_minute
from falcon_pipelines.trading.orders import Input
from falcon_pipelines.trading.reconciliation import halt_account
from falcon_pipelines.trading.store import AccountClosed, pending, submit

log = logging.getLogger(__name__)

ACTIONS_REACH = timedelta(days=14)
"""How late a corporate action may be published and still be lived through."""
ACTIONS_EVERY = timedelta(minutes=10)
RETRY_DECISION = timedelta(minutes=5)
MakeBroker = Callable[[LiveAccount], Broker]


@dataclass
class TradingDesk:
    """All live accounts on one database.

    Every method may raise DatabaseUnavailable; calling `turn` again goes on where it stopped.
    """

    engine: Engine
    store: BarStore
    candidates: CandidateDesk
    make_broker: MakeBroker
    cash: Decimal
    broker: str
    metrics: Metrics
    workers: dict[int, Worker] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    newest_bar: datetime | None = None
    market: MarketTime = field(default_factory=MarketTime)

    @property
    def troubles(self) -> str | None:
        """What is wrong with single accounts."""
        found = [
            f"{w.account.name}: {w.trouble or w.out_of_reach}"
            for w in self.workers.values()
            if w.trouble or w.out_of_reach
        ]
        found += [f"{name}: {problem}" for name, problem in self.unreadable.items()]
        return "; ".join(found) or None

    def refresh(self, now: datetime) -> None:
        """Look which accounts and candidates there are; a new account's books are proved first."""
        with transaction(self.engine) as session:
            entered = self.market.look(session, self._reached(), now)
            known_at = self.market.known(now)
            limits = self.candidates.routing.limits.limits()
            accounts = live_accounts(
                session, self.cash, self.broker, known_at, limits, synthetic=self.store.is_synthetic()
            )
            self.candidates.refresh(session, known_at)
        known = {account.id: account for account in accounts}
        self.unreadable.clear()
        for gone in self.workers.keys() - known.keys():
            del self.workers[gone]
        for account in accounts:
            worker = self.workers.get(account.id)
            if worker is None:
                try:
                    self._add(account)
                except BooksDoNotBalance as error:
                    self.unreadable[account.name] = str(error)
                    with transaction(self.engine) as session:
                        halt_account(session, account.id, str(error))
            else:
                worker.account = account
        if entered is not None:
            with transaction(self.engine) as session:
                self._enter(session, entered)

    def _reached(self) -> int | None:
        """The sequence up to which every account is done with the live bars; None without accounts."""
        return min((worker.cursor for worker in self.workers.values()), default=None)

    def _add(self, account: LiveAccount) -> None:
        broker = self.make_broker(account)
        desk = None if account.spec is None else SpecDesk(account.spec, self.store, self._since(account))
        problems = broker.start()
        stored = broker.account
        worker = Worker(account, broker, desk, stored.state, stored.live_sequence or 0)
        self.workers[account.id] = worker
        if problems:
            worker.trouble = problems[0]
            with transaction(self.engine) as session:
                halt_account(session, account.id, problems[0])
        if stored.cursor is not None:
            worker.undecided = moment_of_minute(stored.cursor)

    def turn(self, now: datetime, stopping: Callable[[], bool] = lambda: False) -> int:
        """Obey, live through corporate actions and work through what has arrived; returns how many bars that was."""
        rest = self._reached()
        if rest is None:
            return 0
        with transaction(self.engine) as session:
            entered = self.market.look(session, rest, now)
            if entered is not None:
                self._enter(session, entered)
        self.before_opens(now)
        self._decide_again(rest, now)
        with transaction(self.engine) as session:
            rows, through = read_rows(
                *(session, rest, watched(session, self.workers, self.candidates, self._today(now))),
                until=self.market.session_over,
            )
        for batch in batches(rows, now, through):
            if self.market.reach(batch.starts_at, now):
                self.before_opens(now)
            self.work(batch)
            if stopping():
                return len(rows)
        for worker in list(self.workers.values()):
            if worker.cursor < through:
                self._pass_over(worker, through)
        self.metrics.bars.inc(through - rest)
        return through - rest

    def _enter(self, session: Session, replayed: date) -> None:
        """A replay comes to a session: what was known then counts, and each strategy has traded since it began there."""
        self.candidates.refresh(session, self.market.now(midnight(replayed)))
        for worker in self.workers.values():
            worker.acted_for = worker.actions_at = None
            if worker.desk is not None:
                account = worker.account
                worker.desk.since = traded_since(session, account.id, account.opened_at, replayed)

    def _since(self, account: LiveAccount) -> datetime:
        if self.market.session is None:
            return account.opened_at
        with transaction(self.engine) as session:
            return traded_since(session, account.id, account.opened_at, self.market.session)

    def _today(self, now: datetime) -> date:
        return self.market.now(now).astimezone(NEW_YORK).date()

    def before_opens(self, now: datetime) -> None:
        """Commands, and what has to happen before a session's first bar; safe to call at any time.

        While bars of earlier sessions are unread it is still the session of the oldest of them, and what was asked
        after that session waits until its bars are worked through.
        """
        market = self.market.now(now)
        day = self._today(now)
        with transaction(self.engine) as session:
            commanded = accounts_with_commands(session, self.market.asked_before)
        for worker in list(self.workers.values()):
            inputs: Mapping[str, Input] = {}
            again = worker.actions_at is None or market - worker.actions_at >= ACTIONS_EVERY
            if is_session(day) and (worker.acted_for != day or again):
                inputs = self._inputs_of(worker, market, day)
                worker.acted_for, worker.actions_at = day, market
            if not inputs and worker.account.id not in commanded:
                continue
            session_day = worker.state.session or day
            shown = day if is_session(day) and day >= session_day else session_day
            self._act(worker, Moment(market, self.market.known(now), shown), inputs)

    def _inputs_of(self, worker: Worker, at: datetime, day: date) -> Mapping[str, Input]:
        """Corporate actions up to that session, and purchases that outlived theirs."""
        with transaction(self.engine) as session:
            submitted = pending(session, worker.account.id)
        tickers = sorted(worker.state.tickers() | {order.ticker for order in submitted})
        inputs: dict[str, Input] = {}
        if tickers:
            try:
                listed = self.store.corporate_actions(
                    tickers, day - ACTIONS_REACH, day, self.store.current_version()
                )
            except FalconError as error:
                log.warning("%s: corporate actions are not known: %s", worker.account.name, error)
                listed = ()
            due, too_late = due_actions(listed, worker.state, day, submitted)
            inputs.update(due)
            for name in too_late:
                self._tell_once(
                    f"late_action:{worker.account.name}:{name}",
                    "reconciliation",
                    f"{worker.account.name}: {name} was published late",
                    "There were trades after its ex-date, so it was not applied; check the position.",
                )
        opens = session_open_close(day)[0]
        if at < opens or worker.state.session is None or worker.state.session < day:
            inputs.update(stale_orders(worker.state, submitted, Moment(at, midnight(day), day)))
        return inputs

    def _act(self, worker: Worker, moment: Moment, inputs: Mapping[str, Input]) -> None:
        outcome = self._guarded(
            worker,
            lambda: worker.broker.act(
                *(moment, inputs),
                record=self._record(worker, moment.time),
                asked_before=self.market.asked_before,
            ),
        )
        if outcome is not None:
            worker.state = outcome.state
            self._measure(worker, outcome)

    def work(self, batch: Batch) -> None:
        """One batch through every account, then the decisions it allows."""
        self.market.worked(batch.starts_at, from_replay=batch.from_replay)
        self.newest_bar = max(self.newest_bar or batch.starts_at, batch.starts_at)
        moment = moment_of_minute(batch.starts_at)
        for worker in list(self.workers.values()):
            if moment is None:
                self._pass_over(worker, batch.done_up_to)
            elif batch.highest > worker.cursor:
                self._work_one(worker, batch, moment)
        if moment is None:
            return
        self.metrics.delay.observe(max(0.0, (datetime.now(UTC) - batch.newest_arrival).total_seconds()))
        for worker in list(self.workers.values()):
            self._decide(worker, moment)
        self._consider(batch.fresh, moment)

    def _pass_over(self, worker: Worker, sequence: int) -> None:
        self._guarded(worker, lambda: worker.broker.pass_over(sequence))
        worker.cursor = max(worker.cursor, sequence)

    def _work_one(self, worker: Worker, batch: Batch, moment: Moment) -> None:
        if worker.acted_for is None or worker.acted_for < moment.session:
            start = Moment(midnight(moment.session), midnight(moment.session), moment.session)
            self._act(worker, start, self._inputs_of(worker, start.time, moment.session))
            worker.acted_for = moment.session
        outcome = self._guarded(
            worker,
            lambda: worker.broker.work_live(
                *(moment, batch.bars, batch.highest, batch.done_up_to),
                replayed=batch.missed,
                record=self._record(worker, moment.time),
            ),
        )
        worker.cursor = max(worker.cursor, batch.done_up_to)
        if outcome is not None:
            worker.state = outcome.state
            self._measure(worker, outcome)

    def _record(self, worker: Worker, at: datetime) -> Callable[[Session, AccountState, Outcome], None]:
        def record(session: Session, before: AccountState, outcome: Outcome) -> None:
            tell(session, before, outcome)
            skip_unbought(session, worker.account.id, outcome, at)

        return record

    def _guarded(self, worker: Worker, work: Callable[[], Outcome | None]) -> Outcome | None:
        """One account's trouble is not another's."""
        try:
            outcome = work()
            worker.out_of_reach = None
            return outcome
        except BooksDoNotBalance as error:
            if worker.trouble is None:
                log.exception("%s: the books do not balance", worker.account.name)
            worker.trouble = str(error)
            with transaction(self.engine) as session:
                halt_account(session, worker.account.id, str(error))
        except AccountClosed:
            self.workers.pop(worker.account.id, None)
        except DatabaseUnavailable:
            raise
        except FalconError as error:  # a broker elsewhere: what is written stays, the next bar goes on
            if worker.out_of_reach is None:
                log.warning("%s: %s", worker.account.name, error)
            worker.out_of_reach = str(error)
            worker.state = worker.broker.account.state
        return None

    def _decide(self, worker: Worker, moment: Moment) -> None:
        """What a strategy wants after a completed bar; the same bar gives the same orders, so repeating is safe."""
        desk = worker.desk
        if desk is None or not desk.is_due(moment):
            return
        if worker.retry_at is not None and moment.time < worker.retry_at:
            return
        try:
            with transaction(self.engine) as session:
                orders = desk.decide(
                    *(session, moment, worker.cursor, worker.state), entries=worker.account.promoted
                )
                submit(session, worker.account.id, orders)
            worker.retry_at = worker.trouble = None
        except DatabaseUnavailable:
            raise
        except FalconError as error:
            worker.trouble, worker.retry_at = str(error), moment.time + RETRY_DECISION
            self._tell_once(
                f"undecided:{worker.account.name}:{moment.session}",
                "decision",
                f"{worker.account.name}: no decision",
                str(error),
            )

    def _decide_again(self, reached: int, now: datetime) -> None:
        """What followed from the last minute before a start may not have been written; twice is the same as once."""
        started = {w.account.id: w.undecided for w in self.workers.values() if w.undecided is not None}
        if not started:
            return
        for worker in [self.workers[account_id] for account_id in started]:
            self._decide(worker, started[worker.account.id])
            worker.undecided = None
        last = max(started.values(), key=lambda moment: moment.time)
        wanted = [ticker for ticker, waiting in self.candidates.waiting.items() if waiting]
        with transaction(self.engine) as session:
            rows = rows_of_minute(session, last.time, reached, wanted)
        for batch in batches(rows, now, reached):
            self._consider(batch.fresh, last)

    def _consider(self, bars: Mapping[str, object], moment: Moment) -> None:
        by_name = {w.account.name: w for w in self.workers.values()}
        desks = {
            w.desk.spec.name: (w.account.name, w.desk)
            for w in self.workers.values()
            if w.desk is not None and w.account.promoted
        }
        states = {name: worker.state for name, worker in by_name.items()}
        at = moment.time + MINUTE
        decisions = self.candidates.consider(bars, at, states, desks)  # type: ignore[arg-type]
        decisions += [d for d in self.candidates.expired(at) if d not in decisions]
        self._write(decisions, by_name, at)

    def _write(self, decisions: Sequence[Decision], by_name: Mapping[str, Worker], at: datetime) -> None:
        if not decisions:
            return
        with transaction(self.engine) as session:
            for made in decisions:
                account = by_name[made.account].account.id if made.account in by_name else None
                if made.order is not None and account is not None:
                    submit(session, account, [made.order])
                elif made.refusal is not None:
                    skip(session, [skipped_row(made.candidate, made.refusal, at, made.strategy, account)])
        self.candidates.forget(decisions)
        for made in decisions:
            if made.refusal is not None:
                self.metrics.skipped.labels(made.refusal.rule).inc()

    def _tell_once(self, key: str, kind: str, title: str, body: str) -> None:
        with transaction(self.engine) as session:
            notify(session, key, kind, title, body)

    def _measure(self, worker: Worker, outcome: Outcome) -> None:
        self.metrics.measure(worker.account.name, outcome)
        log_trades(worker.account.name, outcome)
