"""The paper accounts: who trades in them, their equity at each close, and how they stand."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import computed_field
from sqlalchemy import Double, ScalarSelect, cast, func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.backtests import thinned
from falcon_pipelines.dashboard.queries.benchmark import OWN_TICKERS, benchmark
from falcon_pipelines.dashboard.values import Dollars, Value
from falcon_pipelines.db.models import Account, AccountMark, Posting, StrategySpec

CAPITAL = "capital"
"""The ledger that says, negated, what was paid in."""


class AccountName(Value):
    """A paper account and the strategy that trades in it."""

    id: int
    name: str
    spec_id: int | None
    strategy: str | None
    synthetic: bool
    opened_at: datetime
    closed_at: datetime | None


class EquityPoint(Value):
    """Equity at the close of a session, and the same start held in the benchmark; US dollars, for drawing."""

    session: date
    equity: float
    benchmark: float | None


class EquityCurve(Value):
    """The equity of an account at each close, oldest first; `benchmark` names what it is compared with."""

    account_id: int
    account: str
    synthetic: bool
    benchmark: str | None
    points: list[EquityPoint]


class Standing(Value):
    """An account at its newest close; profits compare with the close before and with what was paid in."""

    session: date
    equity: Dollars
    cash: Dollars
    market_value: Dollars
    receivable: Dollars
    benchmark: Dollars | None
    benchmark_name: str | None
    paid_in: Dollars
    first_session: date
    day_profit: Dollars | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total_profit(self) -> Dollars:
        """Since the account was opened."""
        return self.equity - self.paid_in

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total_return(self) -> float | None:
        """Since the account was opened, as a ratio; None when nothing was paid in."""
        return _growth(self.equity, self.paid_in)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def day_return(self) -> float | None:
        """Since the close before, as a ratio."""
        return None if self.day_profit is None else _growth(self.equity, self.equity - self.day_profit)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def benchmark_return(self) -> float | None:
        """The benchmark's from the same start, as a ratio."""
        return None if self.benchmark is None else _growth(self.benchmark, self.paid_in)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def exposure(self) -> float | None:
        """Net market value of the positions over equity."""
        return float(self.market_value / self.equity) if self.equity else None


def accounts(session: Session) -> list[AccountName]:
    """All accounts: open ones first, the longest running before the others; then the last closed."""
    rows = session.execute(
        select(
            Account.id,
            Account.name,
            Account.spec_id,
            StrategySpec.name.label("strategy"),
            Account.synthetic,
            Account.opened_at,
            Account.closed_at,
        )
        .outerjoin(StrategySpec, Account.spec_id == StrategySpec.id)
        .order_by(Account.closed_at.desc().nulls_first(), Account.opened_at, Account.id)
    ).all()
    return [
        AccountName(
            id=account.id,
            name=account.name,
            spec_id=account.spec_id,
            strategy=account.strategy,
            synthetic=account.synthetic,
            opened_at=account.opened_at,
            closed_at=account.closed_at,
        )
        for account in rows
    ]


def chosen(every: Sequence[AccountName], account_id: int | None) -> AccountName | None:
    """The account asked for, the first one when none was asked for; None when there is no such account."""
    if account_id is None:
        return every[0] if every else None
    return next((account for account in every if account.id == account_id), None)


def equity_curve(
    session: Session, account: AccountName, benchmark_ticker: str, points: int | None = None
) -> EquityCurve:
    """About `points` evenly spaced closes of an account, oldest first, all when None.

    Beside them stands the same start held in `benchmark_ticker`, where its closes are known.
    """
    rows: Sequence[Any] = session.execute(
        select(
            AccountMark.session,
            cast(AccountMark.equity, Double).label("equity"),
            cast(AccountMark.benchmark, Double).label("benchmark"),
        )
        .where(AccountMark.account_id == account.id)
        .order_by(AccountMark.session)
    ).all()
    beside = benchmark(session, benchmark_ticker, synthetic=account.synthetic) if rows else None
    name = OWN_TICKERS if any(row.benchmark is not None for row in rows) else None
    shown = thinned(rows, points)
    if beside is not None:
        name = benchmark_ticker
        paid_in = session.scalar(select(_paid_in(account.id)))
        start, first = float(paid_in or 0) or rows[0].equity, rows[0].session
        marks = [_times(start, beside.growth(first, row.session)) for row in shown]
    else:
        marks = [row.benchmark for row in shown]
    return EquityCurve(
        account_id=account.id,
        account=account.name,
        synthetic=account.synthetic,
        benchmark=name,
        points=[
            EquityPoint(session=row.session, equity=row.equity, benchmark=mark)
            for row, mark in zip(shown, marks, strict=True)
        ],
    )


def standing(session: Session, account: AccountName, benchmark_ticker: str) -> Standing | None:
    """The account at its newest close; None before its first."""
    marks = select(AccountMark.session).where(AccountMark.account_id == account.id)
    first = marks.order_by(AccountMark.session).limit(1).scalar_subquery()
    last = session.execute(
        select(AccountMark, first.label("first_session"), _paid_in(account.id).label("paid_in"))
        .where(AccountMark.account_id == account.id)
        .order_by(AccountMark.session.desc())
        .limit(2)
    ).all()
    if not last:
        return None
    newest, first_session, paid_in = last[0]
    beside = benchmark(session, benchmark_ticker, synthetic=account.synthetic)
    held = beside and beside.worth(paid_in or newest.equity, first_session, newest.session)
    own = OWN_TICKERS if newest.benchmark is not None else None
    return Standing(
        session=newest.session,
        equity=newest.equity,
        cash=newest.cash,
        market_value=newest.market_value,
        receivable=newest.receivable,
        benchmark=newest.benchmark if beside is None else held,
        benchmark_name=own if beside is None else beside.ticker,
        paid_in=paid_in,
        first_session=first_session,
        day_profit=newest.equity - last[1][0].equity if len(last) > 1 else None,
    )


def _paid_in(account_id: int) -> ScalarSelect[Decimal]:
    return (
        select(func.coalesce(-func.sum(Posting.amount), 0))
        .where(Posting.account_id == account_id, Posting.ledger == CAPITAL)
        .scalar_subquery()
    )


def _times(start: float, growth: float | None) -> float | None:
    return None if growth is None else round(start * growth, 2)


def _growth(now: Decimal, before: Decimal) -> float | None:
    return float(now / before - 1) if before else None
