"""The work of the trader, turn by turn: what arrived into fills, complete bars into orders. Knows no service."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import NEW_YORK, is_session, midnight
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import DatabaseUnavailable, transaction
from falcon_pipelines.errors import FalconError
from falcon_pipelines.trading.account import AccountState, Outcome
from falcon_pipelines.trading.brokers import Broker
from falcon_pipelines.trading.commands import accounts_with_commands
from falcon_pipelines.trading.errors import BooksDoNotBalance
from falcon_pipelines.trading.live.accounts import LiveAccount, live_accounts
from falcon_pipelines.trading.live.arrivals import Batch, batches, read_rows
from falcon_pipelines.trading.live.candidate_desk import CandidateDesk, skip_unbought
from falcon_pipelines.trading.live.decisions import Decisions
from falcon_pipelines.trading.live.market_time import MarketTime, traded_since
from falcon_pipelines.trading.live.metrics import Metrics
from falcon_pipelines.trading.live.notices import log_trades, tell
from falcon_pipelines.trading.live.openings import due_before_open
from falcon_pipelines.trading.live.spec_desk import SpecDesk
from falcon_pipelines.trading.live.worker import Worker, watched
from falcon_pipelines.trading.moments import Moment, moment_of_minute
from falcon_pipelines.trading.orders import Input
from falcon_pipelines.trading.reconciliation import halt_account
from falcon_pipelines.trading.store import AccountClosed

log = logging.getLogger(__name__)

ACTIONS_EVERY = timedelta(minutes=10)
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
    decisions: Decisions = field(init=False)

    def __post_init__(self) -> None:
        self.decisions = Decisions(self.engine, self.candidates, self.metrics)

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
        self.decisions.after_start(list(self.workers.values()), rest, now)
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
                inputs = self._due(worker, market, day)
                worker.acted_for, worker.actions_at = day, market
            if not inputs and worker.account.id not in commanded:
                continue
            session_day = worker.state.session or day
            shown = day if is_session(day) and day >= session_day else session_day
            self._act(worker, Moment(market, self.market.known(now), shown), inputs)

    def _due(self, worker: Worker, at: datetime, day: date) -> Mapping[str, Input]:
        with transaction(self.engine) as session:
            return due_before_open(session, self.store, worker.account, worker.state, at, day)

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
        self.decisions.after(moment, batch.fresh, list(self.workers.values()))

    def _pass_over(self, worker: Worker, sequence: int) -> None:
        self._guarded(worker, lambda: worker.broker.pass_over(sequence))
        worker.cursor = max(worker.cursor, sequence)

    def _work_one(self, worker: Worker, batch: Batch, moment: Moment) -> None:
        if worker.acted_for is None or worker.acted_for < moment.session:
            start = Moment(midnight(moment.session), midnight(moment.session), moment.session)
            self._act(worker, start, self._due(worker, start.time, moment.session))
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

    def _measure(self, worker: Worker, outcome: Outcome) -> None:
        self.metrics.measure(worker.account.name, outcome)
        log_trades(worker.account.name, outcome)
