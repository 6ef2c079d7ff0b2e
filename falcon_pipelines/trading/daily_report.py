"""The report of a trading day, in Markdown: shown in the Dagster UI and sent as the daily digest."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import midnight
from falcon_pipelines.db import models
from falcon_pipelines.db.notifications import notify


def newest_day(session: Session) -> date | None:
    """The last session any account has worked through; None before the first."""
    newest: date | None = session.scalar(select(func.max(models.AccountMark.session)))
    return newest


def daily_report(session: Session, day: date) -> str:
    """What happened on paper in the session `day`: accounts, trades, refusals, skipped candidates, halts."""
    parts = [f"# Paper trading on {day}", *_accounts(session, day), *_trades(session, day)]
    return "\n".join([*parts, *_refusals(session, day), *_skipped(session, day), *_halts(session)]) + "\n"


def send_report(session: Session, day: date, report: str) -> bool:
    """Put the report in the outbox, once for each day; whether it was new."""
    return notify(session, f"daily_digest:{day}", "daily_digest", f"Paper trading on {day}", report)


def _accounts(session: Session, day: date) -> list[str]:
    mark = models.AccountMark
    rows = session.execute(
        select(models.Account.name, mark.equity, mark.cash, mark.market_value, models.Account.id)
        .join(mark, mark.account_id == models.Account.id)
        .where(mark.session == day)
        .order_by(models.Account.name)
    ).all()
    if not rows:
        return ["", "No account had bars."]
    lines = []
    for name, equity, cash, invested, account_id in rows:
        before = session.scalar(
            select(mark.equity)
            .where(mark.account_id == account_id, mark.session < day)
            .order_by(mark.session.desc())
            .limit(1)
        )
        change = "—" if before is None else f"{equity - before:+,.2f} ({(equity / before - 1):+.2%})"
        lines.append((name, f"{equity:,.2f}", change, f"{cash:,.2f}", f"{invested:,.2f}"))
    return ["", *_table(("Account", "Equity $", "Day", "Cash $", "Invested $"), lines)]


def _bounds(day: date) -> tuple[datetime, datetime]:
    return midnight(day), midnight(day) + timedelta(days=1)


def _trades(session: Session, day: date) -> list[str]:
    first, last = _bounds(day)
    fill, order = models.Fill, models.Order
    profit = (
        select(-func.sum(models.Posting.amount))
        .where(models.Posting.fill_id == fill.id, models.Posting.ledger == "realised")
        .scalar_subquery()
    )
    rows = session.execute(
        select(models.Account.name, fill, order.side, order.ticker, order.role, profit)
        .join(order, fill.order_id == order.id)
        .join(models.Account, order.account_id == models.Account.id)
        .where(fill.filled_at >= first, fill.filled_at < last)
        .order_by(fill.filled_at, fill.id)
    ).all()
    if not rows:
        return ["", "No trades."]
    lines = [
        (
            f"{filled.filled_at.astimezone(UTC):%H:%MZ}",
            name,
            f"{side} {filled.quantity:,.0f} {ticker}",
            f"{filled.price:,.4f}",
            role if role != "order" else "",
            "" if side == "buy" else f"{earned or Decimal(0):+,.2f}",
        )
        for name, filled, side, ticker, role, earned in rows
    ]
    heading = ("Time", "Account", "Trade", "Price $", "Exit by", "Profit $")
    return ["", f"## {len(rows)} trades", "", *_table(heading, lines)]


def _refusals(session: Session, day: date) -> list[str]:
    first, last = _bounds(day)
    rows = session.execute(
        select(models.Account.name, models.Order.ticker, models.Order.reason)
        .join(models.Account, models.Order.account_id == models.Account.id)
        .where(
            models.Order.status == "rejected",
            models.Order.submitted_at >= first,
            models.Order.submitted_at < last,
        )
        .order_by(models.Account.name, models.Order.ticker)
    ).all()
    if not rows:
        return []
    lines = [(name, ticker, reason or "") for name, ticker, reason in rows]
    return ["", f"## {len(rows)} refused", "", *_table(("Account", "Ticker", "Reason"), lines)]


def _skipped(session: Session, day: date) -> list[str]:
    first, last = _bounds(day)
    rows = session.scalars(
        select(models.SkippedTrade)
        .where(models.SkippedTrade.skipped_at >= first, models.SkippedTrade.skipped_at < last)
        .order_by(models.SkippedTrade.ticker)
    ).all()
    if not rows:
        return []
    lines = [(row.ticker, ", ".join(row.profiles), row.rule, row.reason) for row in rows]
    heading = ("Ticker", "Profiles", "Rule", "Reason")
    return ["", f"## {len(rows)} candidates not bought", "", *_table(heading, lines)]


def _halts(session: Session) -> list[str]:
    rows = session.execute(
        select(models.Account.name, models.AccountHalt.kind, models.AccountHalt.reason)
        .join(models.Account, models.AccountHalt.account_id == models.Account.id)
        .where(models.AccountHalt.until.is_(None))
        .order_by(models.Account.name)
    ).all()
    return (
        ["", "## Halts in force", "", *(f"- {name}: {kind}, {reason}" for name, kind, reason in rows)]
        if rows
        else []
    )


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heading, ["---"] * len(heading), *rows]
    return ["| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines]
