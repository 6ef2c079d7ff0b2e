"""What came out of the demo, read back from the database and the store."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.candidates import candidates


@dataclass(frozen=True)
class StrategyLine:
    """One strategy's figures; money in US dollars."""

    spec_id: int
    name: str
    closed_trades: int
    final_equity: float
    buy_and_hold: float
    verdict: str
    reason: str


@dataclass(frozen=True)
class DemoReport:
    """The figures of one demo."""

    sessions: int
    bars: int
    quarantined: int
    first_session: date
    last_session: date
    version: str
    candidates: int
    top: tuple[str, ...]
    strategies: tuple[StrategyLine, ...]
    specs: int
    backtests: int
    paper_strategy: str
    fills: int
    final_equity: float


def read_report(session: Session, store: BarStore) -> DemoReport:
    """The figures of what is in the database and the store now."""
    log = store.log()
    entries = log.sessions("day")
    picks = candidates(session)
    strategies = tuple(
        StrategyLine(
            spec_id=backtest.spec_id,
            name=backtest.spec.name,
            closed_trades=backtest.closed_trades,
            final_equity=float(backtest.final_equity),
            buy_and_hold=float(backtest.benchmark["final_equity"]),
            verdict=verdict.verdict,
            reason=verdict.reason,
        )
        for backtest, verdict in session.execute(
            select(models.Backtest, models.Verdict)
            .join(models.Verdict)
            .where(models.Backtest.data_version == log.version)
            .order_by(models.Backtest.id)
        )
    )
    account = session.scalars(select(models.Account).order_by(models.Account.id.desc()).limit(1)).one()
    equity = session.scalars(
        select(models.AccountMark.equity)
        .where(models.AccountMark.account_id == account.id)
        .order_by(models.AccountMark.session.desc())
        .limit(1)
    ).one()
    return DemoReport(
        sessions=len(entries),
        bars=sum(entry.rows for entry in entries.values()),
        quarantined=sum(entry.quarantined for entry in entries.values()),
        first_session=min(entries),
        last_session=max(entries),
        version=log.version,
        candidates=len(picks),
        top=tuple(candidate.ticker for candidate in picks[:3]),
        strategies=strategies,
        specs=session.scalar(select(func.count()).select_from(models.StrategySpec)) or 0,
        backtests=len(strategies),
        paper_strategy=account.name,
        fills=session.scalar(
            select(func.count())
            .select_from(models.Fill)
            .join(models.Order)
            .where(models.Order.account_id == account.id)
        )
        or 0,
        final_equity=float(equity),
    )
