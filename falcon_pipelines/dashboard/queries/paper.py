"""What a strategy does on paper beside what its backtest promised, and who put it there."""

import math
from datetime import date, datetime
from typing import Any

from pydantic import computed_field
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from falcon_pipelines.dashboard.queries.benchmark import OWN_TICKERS, Benchmark, benchmark
from falcon_pipelines.dashboard.queries.documents import number
from falcon_pipelines.dashboard.values import Ratio, Value
from falcon_pipelines.db.models import Account, AccountMark, Decision, Promotion

SESSIONS_A_YEAR = 252


class PaperRecord(Value):
    """A paper account of the strategy, beside what the backtest leads to expect of as many sessions.

    `expected` lies between `expected_low` and `expected_high` in 95 of 100 cases if the future is like the past:
    the backtest's growth over that time, give or take 1.96 of its standard deviations.
    """

    account_id: int
    account: str
    synthetic: bool
    first_session: date
    last_session: date
    sessions: int
    total_return: Ratio | None
    benchmark_return: Ratio | None
    benchmark: str | None
    expected: Ratio | None
    expected_low: Ratio | None
    expected_high: Ratio | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def as_expected(self) -> bool | None:
        """Whether the account is where the backtest leads to expect it."""
        if self.total_return is None or self.expected_low is None or self.expected_high is None:
            return None
        return self.expected_low <= self.total_return <= self.expected_high


class HistoryRow(Value):
    """A decision of a person, or a promotion that followed."""

    at: datetime
    what: str
    by: str | None
    reason: str | None


def paper_records(
    session: Session, spec_ids: list[int], stats: Any, benchmark_ticker: str
) -> list[PaperRecord]:
    """The accounts that trade these versions of a strategy, the newest first."""
    first, last, every = aliased(AccountMark), aliased(AccountMark), aliased(AccountMark)
    oldest = (
        select(func.min(every.session))
        .where(every.account_id == Account.id)
        .correlate(Account)
        .scalar_subquery()
    )
    newest = (
        select(func.max(every.session))
        .where(every.account_id == Account.id)
        .correlate(Account)
        .scalar_subquery()
    )
    count = select(func.count()).where(every.account_id == Account.id).correlate(Account).scalar_subquery()
    rows = session.execute(
        select(
            Account.id,
            Account.name,
            Account.synthetic,
            first.session.label("first"),
            last.session.label("last"),
            count.label("sessions"),
            first.equity.label("opening"),
            first.benchmark.label("opening_benchmark"),
            last.equity,
            last.benchmark,
        )
        .select_from(Account)
        .join(first, (first.account_id == Account.id) & (first.session == oldest))
        .join(last, (last.account_id == Account.id) & (last.session == newest))
        .where(Account.spec_id.in_(spec_ids))
        .order_by(Account.id.desc())
        .limit(20)
    ).all()
    expected_from = stats if isinstance(stats, dict) else {}
    beside = {
        made_up: benchmark(session, benchmark_ticker, synthetic=made_up)
        for made_up in {row.synthetic for row in rows}
    }
    return [_record(row, expected_from, beside[row.synthetic]) for row in rows]


def history(session: Session, spec_ids: list[int], *, limit: int = 50) -> list[HistoryRow]:
    """Decisions and promotions of these versions of a strategy, newest first."""
    decided = session.execute(
        select(Decision.created_at, Decision.choice, Decision.decided_by)
        .where(Decision.spec_id.in_(spec_ids))
        .order_by(Decision.id.desc())
        .limit(limit)
    )
    promoted = session.execute(
        select(Promotion.created_at, Promotion.promoted, Promotion.reason)
        .where(Promotion.spec_id.in_(spec_ids))
        .order_by(Promotion.id.desc())
        .limit(limit)
    )
    rows = [
        HistoryRow(
            at=row.created_at,
            what="approved for paper" if row.choice == "approve" else "retired",
            by=row.decided_by,
            reason=None,
        )
        for row in decided
    ]
    rows += [
        HistoryRow(
            at=row.created_at,
            what="put on paper" if row.promoted else "not on paper",
            by=None,
            reason=row.reason,
        )
        for row in promoted
    ]
    return sorted(rows, key=lambda row: row.at, reverse=True)[:limit]


def _record(row: Any, stats: dict[str, Any], beside: Benchmark | None) -> PaperRecord:
    expected = _expected(stats, row.sessions - 1)
    if beside is not None:
        grown = beside.between_closes(row.first, row.last)
    elif row.benchmark is not None and row.opening_benchmark:
        grown = float(row.benchmark / row.opening_benchmark)
    else:
        grown = None
    return PaperRecord(
        account_id=row.id,
        account=row.name,
        synthetic=row.synthetic,
        first_session=row.first,
        last_session=row.last,
        sessions=row.sessions,
        total_return=float(row.equity / row.opening - 1) if row.opening else None,
        benchmark_return=None if grown is None else grown - 1,
        benchmark=None if grown is None else OWN_TICKERS if beside is None else beside.ticker,
        expected=None if expected is None else expected[1],
        expected_low=None if expected is None else expected[0],
        expected_high=None if expected is None else expected[2],
    )


def _expected(stats: dict[str, Any], sessions: int) -> tuple[float, float, float] | None:
    """Growth over a time, with the bounds of 95 cases in 100; log returns taken as normal and independent."""
    growth, volatility = number(stats.get("cagr")), number(stats.get("volatility"))
    if growth is None or volatility is None or growth <= -1 or sessions < 1:
        return None
    years = sessions / SESSIONS_A_YEAR
    middle, spread = math.log1p(growth) * years, 1.96 * volatility * math.sqrt(years)
    return math.expm1(middle - spread), math.expm1(middle), math.expm1(middle + spread)
