"""One live account with who fills its orders and who decides for it, and which bars may matter to such accounts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from falcon_pipelines.errors import FalconError
from falcon_pipelines.trading.account import AccountState
from falcon_pipelines.trading.brokers import Broker
from falcon_pipelines.trading.live.accounts import LiveAccount
from falcon_pipelines.trading.live.candidate_desk import CandidateDesk
from falcon_pipelines.trading.live.spec_desk import SpecDesk
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.store import submitted_tickers


@dataclass
class Worker:
    """One account, who fills its orders and who decides for it."""

    account: LiveAccount
    broker: Broker
    desk: SpecDesk | None
    state: AccountState
    cursor: int
    trouble: str | None = None
    out_of_reach: str | None = None
    acted_for: date | None = None
    actions_at: datetime | None = None
    retry_at: datetime | None = None
    undecided: Moment | None = None
    """The last minute worked through before a start: what follows from it may not have been written."""


def watched(
    session: Session, workers: Mapping[int, Worker], candidates: CandidateDesk, today: date
) -> frozenset[str]:
    """The tickers whose bars may do something: held, ordered, picked, or of a strategy's universe on `today`."""
    wanted = {ticker for ticker, waiting in candidates.waiting.items() if waiting}
    wanted |= submitted_tickers(session, list(workers))
    for worker in workers.values():
        wanted |= worker.state.tickers()
        if worker.desk is not None:
            try:
                wanted |= set(worker.desk.tickers(today))
            except FalconError as error:
                worker.trouble = str(error)
    return frozenset(wanted)
