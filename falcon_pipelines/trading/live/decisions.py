"""What complete bars lead to: the orders of strategies and of candidates, each written once. Fills nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from falcon_pipelines.db.engine import DatabaseUnavailable, transaction
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.errors import FalconError
from falcon_pipelines.trading.live.arrivals import batches, rows_of_minute
from falcon_pipelines.trading.live.candidate_desk import CandidateDesk, Decision, skip
from falcon_pipelines.trading.live.candidates import skipped_row
from falcon_pipelines.trading.live.market_time import MINUTE
from falcon_pipelines.trading.live.metrics import Metrics
from falcon_pipelines.trading.live.worker import Worker
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Bar
from falcon_pipelines.trading.store import submit

RETRY_DECISION = timedelta(minutes=5)


@dataclass(frozen=True)
class Decisions:
    """Decides for the accounts it is given. The same bars give the same orders, so repeating is safe."""

    engine: Engine
    candidates: CandidateDesk
    metrics: Metrics

    def after(self, moment: Moment, bars: Mapping[str, Bar], workers: Collection[Worker]) -> None:
        """What strategies and candidates want after a completed minute, of which `bars` arrived now."""
        for worker in workers:
            self._of_strategy(worker, moment)
        self._of_candidates(bars, moment, workers)

    def after_start(self, workers: Collection[Worker], reached: int, now: datetime) -> None:
        """Once more what follows from the last minute before a start: it may not have been written."""
        moments = []
        for worker in workers:
            if worker.undecided is not None:
                self._of_strategy(worker, worker.undecided)
                moments.append(worker.undecided)
                worker.undecided = None
        if not moments:
            return
        last = max(moments, key=lambda moment: moment.time)
        wanted = [ticker for ticker, waiting in self.candidates.waiting.items() if waiting]
        with transaction(self.engine) as session:
            rows = rows_of_minute(session, last.time, reached, wanted)
        for batch in batches(rows, now, reached):
            self._of_candidates(batch.fresh, last, workers)

    def _of_strategy(self, worker: Worker, moment: Moment) -> None:
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
            name = worker.account.name
            with transaction(self.engine) as session:
                key = f"undecided:{name}:{moment.session}"
                notify(session, key, "decision", f"{name}: no decision", str(error))

    def _of_candidates(self, bars: Mapping[str, Bar], moment: Moment, workers: Collection[Worker]) -> None:
        by_name = {worker.account.name: worker for worker in workers}
        desks = {
            worker.desk.spec.name: (name, worker.desk)
            for name, worker in by_name.items()
            if worker.desk is not None and worker.account.promoted
        }
        states = {name: worker.state for name, worker in by_name.items()}
        at = moment.time + MINUTE
        made = self.candidates.consider(bars, at, states, desks)
        made += [decision for decision in self.candidates.expired(at) if decision not in made]
        self._write(made, {name: worker.account.id for name, worker in by_name.items()}, at)

    def _write(self, decisions: Sequence[Decision], accounts: Mapping[str, int], at: datetime) -> None:
        if not decisions:
            return
        with transaction(self.engine) as session:
            for made in decisions:
                account = accounts.get(made.account)
                if made.order is not None and account is not None:
                    submit(session, account, [made.order])
                elif made.refusal is not None:
                    skip(session, [skipped_row(made.candidate, made.refusal, at, made.strategy, account)])
        self.candidates.forget(decisions)
        for made in decisions:
            if made.refusal is not None:
                self.metrics.skipped.labels(made.refusal.rule).inc()
